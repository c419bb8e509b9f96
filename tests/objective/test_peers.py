"""DRL of a pair at tau 1 beside other programs' Jensen-Shannon divergence (beta 1/2), over a published vocabulary.

It is always compared with float64. TRL and Liger-Kernel are compared if they are installed; both run on a CPU:

    pip install --no-deps --target /tmp/peers trl==1.16.0 liger-kernel==0.8.5 triton==3.7.1
    PYTHONPATH=$PWD:/tmp/peers pytest tests/objective/test_peers.py

Some of their functions give a gradient to one member alone, the student. Then only that one is compared.
"""

import objective_reference as reference
import pytest
import torch
from objective_cases import divergence, relative_error
from torch import Tensor

from gcl.objective.events import Slice
from gcl.objective.head import competitive_head

ROWS, VOCABULARY, WIDTHS = 6, 151936, (24, 40)
HOW = "install it beside the project: pip install --no-deps --target /tmp/peers {}; then add /tmp/peers to PYTHONPATH"


# Noise between the members, and how far values may be from a peer's. Where members nearly agree, peers lose digits.
CASES = {"apart": (1.0, 2e-5), "nearly agreeing": (0.03, 1e-3)}


@pytest.fixture(params=CASES)
def case(request) -> tuple[list[Tensor], list[Tensor], Tensor, float]:
    """Hidden states and heads of two members whose logits differ by a given noise, labels, and the tolerance."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(*shape, generator=generator)

    shared = 16
    common, head = draw(ROWS, shared), draw(VOCABULARY, shared, scale=3 / shared**0.5)
    hidden = [torch.cat([common, draw(ROWS, width - shared)], dim=1) for width in WIDTHS]
    noise, tolerance = CASES[request.param]
    heads = [torch.cat([head, draw(VOCABULARY, w - shared, scale=noise / (w - shared) ** 0.5)], dim=1) for w in WIDTHS]
    return hidden, heads, torch.randint(0, VOCABULARY, (ROWS,), generator=generator), tolerance


def logits(case) -> list[Tensor]:
    return [hidden @ head.T for hidden, head in zip(*case[:2], strict=True)]


def head_gradients(case) -> tuple[Tensor, list[Tensor]]:
    """Mean DRL of the fused head, and its gradients by the first member's hidden states and head."""
    hidden, heads = ([x.clone().requires_grad_(k == 0) for k, x in enumerate(tensors)] for tensors in case[:2])
    total, parts = competitive_head(
        hidden,
        heads,
        [case[2]] * 2,
        [1.0, 1.0],
        drl_weight=1.0,
        compared=Slice(VOCABULARY),
        tokens=[ROWS] * 2,
        positions=ROWS,
        supervised=False,
    )
    total.backward()
    return parts["drl"], [hidden[0].grad, heads[0].grad]


def student(case) -> tuple[Tensor, Tensor]:
    return case[0][0].clone().requires_grad_(), case[1][0].clone().requires_grad_()


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((found - expected).norm() <= tolerance * expected.norm())


def test_drl_equals_float64(case):
    """Softmax adds up 151,936 terms in float32, which costs most of these digits."""
    found, gradients = divergence(logits(case), [1.0, 1.0], [True, True])
    value, expected = reference.drl_gradients([z.double().numpy() for z in logits(case)], [1.0, 1.0])
    assert float(found) == pytest.approx(value, rel=2e-5)
    for gradient, reference_gradient in zip(gradients, expected, strict=True):
        assert relative_error(gradient, reference_gradient) < 3e-5


def test_drl_equals_trls_generalized_jsd(case):
    trainer = pytest.importorskip("trl.experimental.gkd.gkd_trainer", reason=HOW.format("trl"))
    leaves = [z.double().requires_grad_() for z in logits(case)]
    expected = trainer.GKDTrainer.generalized_jsd_loss(*(z[None] for z in leaves), beta=0.5, reduction="sum")
    expected.backward()
    found, gradients = divergence([z.detach() for z in leaves], [1.0, 1.0], [True, True])
    assert float(found) == pytest.approx(float(expected.detach()), rel=1e-9)
    for gradient, leaf in zip(gradients, leaves, strict=True):
        assert close(gradient, leaf.grad, 1e-8)


def test_drl_equals_trls_chunked_divergence(case):
    kernels = pytest.importorskip("trl.kernels.chunked_divergence", reason=HOW.format("trl"))
    leaves = student(case)
    per_row, _ = kernels.ChunkedDivergenceFunction.apply(*leaves, None, case[0][1], case[1][1], None, 0.5)
    per_row.mean().backward()
    found, gradients = head_gradients(case)
    assert float(found) == pytest.approx(float(per_row.detach().mean()), rel=case[3])
    assert all(close(mine, leaf.grad, 5e-5) for mine, leaf in zip(gradients, leaves, strict=True))


def test_drl_equals_ligers_fused_jsd(case):
    liger = pytest.importorskip("liger_kernel.chunked_loss", reason=HOW.format("liger-kernel triton"))
    leaves = student(case)
    # Liger's only loss of this kind that needs no GPU; `compiled` would wait for a compiler.
    function = liger.LigerFusedLinearJSDLoss(weight_hard_loss=0.0, weight_soft_loss=1.0, beta=0.5, compiled=False)
    expected = function(*leaves, case[0][1], case[1][1], case[2])
    expected.backward()
    found, gradients = head_gradients(case)
    assert float(found) == pytest.approx(float(expected.detach()), rel=case[3])
    assert all(close(mine, leaf.grad, 5e-5) for mine, leaf in zip(gradients, leaves, strict=True))
