# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO := demo-results/abell478
export PYTHONUNBUFFERED := 1

.PHONY: demo test lint bench clean
demo: $(STAMP)
	$(BIN)/spectessera segment examples/data/abell478.fits.gz --fit --out $(DEMO) \
	    --keep 7060,7340 --continuum median --continuum-width 101 --smooth 3 \
	    --normalise none --k-min 3 --k-max 6 --seed 0 --overwrite
	@echo
	@echo "Look at $(DEMO)/clusters.png (map and mean spectra); $(DEMO)/labels.fits opens in DS9."

test: $(STAMP)
	$(BIN)/python -m pytest -q

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist demo-results .pytest_cache .mypy_cache .ruff_cache
	find . -name '*.egg-info' -o -name __pycache__ | xargs rm -rf

# setuptools is upgraded first because a fresh virtual environment may hold one too old to
# install an editable package without network access in isolation.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    -e '.[test,lint]'
	touch $@
