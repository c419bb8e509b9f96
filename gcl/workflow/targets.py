"""Names of all tables and figures that can be built."""

# Of MGSD there are one table and one figure.
PLANNING_TABLE, PLANNING_FIGURE = "planning", "plans"
TABLES = ("headline", "table1", "table2", "table3", "controls", "rates", "controls_best", "encoders", PLANNING_TABLE)
FIGURES = ("components", "fig2", "fig3", "fig4", "fig7", PLANNING_FIGURE)
