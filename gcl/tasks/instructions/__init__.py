"""Instructions: questions about drawn scenes, planning states and words, from which miniature base models learn to see."""
