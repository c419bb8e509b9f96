# `make` sets up and rebuilds the headline table at miniature scale; `make test` sets up and runs the tests.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin

.PHONY: headline all rates planning families scaling exchange deploy test test-all test-real test-slurm gpu lint schema docs-commands docs format clean

headline: .venv/ready
	@$(BIN)/snakemake headline --config scale=miniature --cores $(CORES) --quiet host --rerun-incomplete --show-failed-logs
	@cat results/miniature/tables/headline.md
	@$(BIN)/gcl reproduce headline --scale miniature
	@echo "Figure: results/miniature/figures/components.png"

all: .venv/ready
	$(BIN)/snakemake all --config scale=miniature --cores $(CORES) --rerun-incomplete --show-failed-logs
	@$(BIN)/gcl reproduce --scale miniature

rates planning families scaling: .venv/ready
	$(BIN)/snakemake $@ --config scale=miniature --cores $(CORES) --rerun-incomplete --show-failed-logs
	@cat results/miniature/tables/$@.md

exchange: .venv/ready
	$(BIN)/snakemake $@ --config scale=miniature --cores $(CORES) --rerun-incomplete --show-failed-logs
	@cat results/miniature/tables/exchange.md results/miniature/tables/exchange_planning.md

deploy: .venv/ready
	@$(BIN)/snakemake deployment --config scale=miniature --cores $(CORES) --quiet host --rerun-incomplete --show-failed-logs
	@cat results/miniature/tables/deployment.md
	@echo "Figure: results/miniature/figures/tradeoff.png"

test: .venv/ready
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile

test-all: .venv/ready
	$(BIN)/python -m pytest -m "not slurm and not gpu"

test-real: .venv/ready
	$(BIN)/python -m pytest -m real tests/real

test-slurm: .venv/ready
	$(BIN)/python -m pytest -m slurm tests/slurm

gpu: .venv/ready
	$(BIN)/python benchmarks/gpu.py

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint

schema: .venv/ready
	$(BIN)/gcl settings --schema workflow/schemas/config.schema.json
	$(BIN)/python -m gcl.experiment.settings_page

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

docs-commands: .venv/ready
	$(BIN)/python -m gcl.cli.reference docs/commands.md

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[all,miniature,dev]"
	@touch $@

.venv/docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	@touch $@

clean:
	rm -rf site results/miniature data/miniature logs scratch .snakemake
