# Commands for a fresh machine: make demo, make paper-toy, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo paper-toy paper figures notebooks docs docs-serve bench test test-fast test-thorough test-oldest test-newest lint clean

# The stamp is made anew whenever the packages that are asked for change.
$(VENV)/.installed: setup.cfg constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

# Fine-tune at each layer and subspace size, and show what that gives and costs beside a search on the frozen model;
# the search alone: make demo ARGS='--objective das --out runs/frozen'
demo: $(VENV)/.installed
	$(BIN)/python -m interp.sweep --layers 6-12 --out runs/demo $(ARGS)

paper-toy: $(VENV)/.installed
	$(BIN)/python -m training.paper $(ARGS)

# Of the runs of make demo and make paper-toy; of others: make figures ARGS='--run FOLDER...'
figures: $(VENV)/.installed
	$(BIN)/python -m figures.make $(if $(ARGS),$(ARGS),--run runs/demo runs/paper-toy)

# Run each from top to bottom and keep what it shows; to work in one: .venv/bin/jupyter lab notebooks
notebooks: $(VENV)/.installed
	$(BIN)/jupyter execute --inplace --NotebookClient.record_timing=False --NotebookClient.coalesce_streams=True notebooks/*.ipynb

# The documentation site, in site/; strict: a link that leads nowhere is an error.
docs: $(VENV)/.installed
	$(BIN)/mkdocs build --quiet
	@echo "open site/index.html, or: make docs-serve"

# The same at http://127.0.0.1:8000, made again whenever a page is saved.
docs-serve: $(VENV)/.installed
	$(BIN)/mkdocs serve

# The authors' settings: a GPU, Concadia in data/concadia, the ratings in data/blv, and the hub;
# for other places: make paper ARGS='--data concadia:FOLDER --blv FOLDER --transfer cifar100=PATH,...'
paper: $(VENV)/.installed
	$(BIN)/python -m training.paper --preset paper $(ARGS)

# Against pyvene and captum, side by side; everything takes hours: make bench ARGS='--quick --concadia FOLDER'
bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run $(ARGS)

# A test uses one thread, and each core has a process of tests.
PYTEST := -m pytest -n logical --maxprocesses 8 --dist worksteal
TESTS := OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST)

test: $(VENV)/.installed
	$(TESTS)

# All but what is marked slow: notebooks, benchmarks, whole commands, full-size models.
test-fast: $(VENV)/.installed
	$(TESTS) -m "not slow"

# Whole sweeps on full disks, in parts and with bad inputs without end: a quarter of an hour more.
test-thorough: $(VENV)/.installed
	$(TESTS) -m thorough

# What is likely to break, with the oldest and with the newest version of each package that setup.cfg allows; torch as in
# constraints.txt, since each version of it is gigabytes.
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
