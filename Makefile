# Commands for a fresh machine: make demo, make paper-toy, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo paper-toy paper figures notebooks docs docs-serve bench test test-fast test-thorough test-oldest test-newest lint clean

# The stamp is renewed when the list of packages changes.
$(VENV)/.installed: setup.cfg constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

# Fine-tune at each layer and subspace size, and compare with a search on the frozen model.
# The search alone: make demo ARGS='--objective das --out runs/frozen'
demo: $(VENV)/.installed
	$(BIN)/python -m interp.sweep --layers 6-12 --out runs/demo $(ARGS)

paper-toy: $(VENV)/.installed
	$(BIN)/python -m training.paper $(ARGS)

# Draw figures from the runs of make demo and make paper-toy. Other runs: make figures ARGS='--run FOLDER...'
figures: $(VENV)/.installed
	$(BIN)/python -m figures.make $(if $(ARGS),$(ARGS),--run runs/demo runs/paper-toy)

# Run each notebook from top to bottom and keep its outputs. To work in a notebook: .venv/bin/jupyter lab notebooks
notebooks: $(VENV)/.installed
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

# Build the documentation site in site/. A broken link is an error.
docs: $(VENV)/.installed
	$(BIN)/mkdocs build --quiet
	@echo "open site/index.html, or: make docs-serve"

# Serve the site at http://127.0.0.1:8000, and rebuild it when a page is saved.
docs-serve: $(VENV)/.installed
	$(BIN)/mkdocs serve

# Run the authors' settings. They need a GPU, Concadia in data/concadia, the ratings in data/blv, and the hub.
# Other places: make paper ARGS='--data concadia:FOLDER --blv FOLDER --transfer cifar100=PATH,...'
paper: $(VENV)/.installed
	$(BIN)/python -m training.paper --preset paper $(ARGS)

# Compare with pyvene and captum, side by side. All benchmarks take hours: make bench ARGS='--quick --concadia FOLDER'
bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run $(ARGS)

# A test uses one thread, and each core has a process of tests.
PYTEST := -m pytest -n logical --maxprocesses 8 --dist worksteal
TESTS := OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST)

test: $(VENV)/.installed
	$(TESTS)

# Skip tests marked slow: notebooks, benchmarks, whole commands, full-size models.
test-fast: $(VENV)/.installed
	$(TESTS) -m "not slow"

# Run whole sweeps on full disks, in parts and with random bad inputs: more than half an hour.
test-thorough: $(VENV)/.installed
	$(TESTS) -m thorough

# Run the fast tests with the oldest and the newest version of each package that setup.cfg allows. torch is the version
# in constraints.txt, since each version of torch has gigabytes.
OLDEST := $(VENV)-oldest
NEWEST := $(VENV)-newest
test-oldest: $(VENV)/.installed
	$(call test_with,lowest-direct,$(OLDEST))

test-newest: $(VENV)/.installed
	$(call test_with,highest,$(NEWEST))

define test_with
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(2)
	grep '^torch==' constraints.txt > $(2)/torch.txt
	$(BIN)/uv pip compile --quiet setup.cfg --extra test --resolution $(1) --override $(2)/torch.txt \
		--no-annotate --output-file $(2)/packages.txt
	$(BIN)/uv pip install --quiet --python $(2) --requirement $(2)/packages.txt
	$(BIN)/uv pip install --quiet --python $(2) --no-deps --editable .
	OMP_NUM_THREADS=1 $(2)/bin/python $(PYTEST) -m "not slow and not thorough"
endef

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

clean:
	rm -rf $(VENV) $(OLDEST) $(NEWEST) runs/demo site
