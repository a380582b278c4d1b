# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO := demo-results/abell478
PAGE := demo-results/page
export PYTHONUNBUFFERED := 1
# Processes that share out the test files, of one thread each.
WORKERS := 2

.PHONY: demo test lint bench quality mutants clean
demo: $(STAMP)
	$(BIN)/spectessera segment examples/data/abell478.fits.gz --fit --out $(DEMO) \
	    --keep 7060,7340 --continuum median --continuum-width 101 --smooth 3 \
	    --normalise none --k-min 3 --k-max 6 --seed 0 --report --overwrite
	$(BIN)/spectessera synth page --seed 2 --size 192,144 --out $(PAGE).png --overwrite
	$(BIN)/spectessera synth cube $(PAGE).png --counts 1000 --out $(PAGE).h5 --overwrite
	$(BIN)/spectessera segment $(PAGE).h5 --model maxrf --report --anode Rh --out $(PAGE) --overwrite
	$(BIN)/spectessera compare $(PAGE) $(PAGE).h5
	@echo
	@echo "A page as X-ray fluorescence scan, synthetic: $(PAGE).png; the table above compares its"
	@echo "  clusters with the truth."
	@echo "A galaxy cluster, real: $(DEMO)/labels.fits opens in DS9."
	@echo "Open these reports in a browser:"
	@echo "  $(PAGE)/report.html"
	@echo "  $(DEMO)/report.html"

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Hours the first time; what is in quality.csv is not measured again.
quality: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[quality]'
	$(BIN)/python -m benchmarks.quality

# Hours; what is in mutants.jsonl is not measured again.
mutants: $(STAMP)
	$(BIN)/python tools/mutants.py --workers $(WORKERS)

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
