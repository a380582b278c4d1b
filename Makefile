# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO := demo-results/abell478
PAGE := demo-results/page
WHEEL := build/wheel-check
INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
export PYTHONUNBUFFERED := 1
# Processes that share out the test files, of one thread each.
WORKERS := 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

.PHONY: demo test coverage lint hooks build check-reproducible check-wheel review sbom docs bench quality mutants hostile clean
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
	$(PYTEST)

# The same tests; they fail too if they reach less of the package than pyproject.toml asks for.
coverage: $(STAMP)
	$(PYTEST) --cov

# ruff changes nothing here, and sees files that git does not know yet; the other hooks repair
# what they can.
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	SKIP=ruff-check,ruff-format,mypy PATH="$(CURDIR)/$(BIN):$$PATH" \
	    $(BIN)/pre-commit run --all-files

hooks: $(STAMP)
	$(BIN)/pre-commit install

build: $(STAMP)
	rm -rf build dist
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python tools/reproducible.py --once dist

# Two builds of the last commit, in two folders: the same bytes?
check-reproducible: $(STAMP)
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python tools/reproducible.py

# The repository, its metadata, its distributions and its workflows by the checkers of others.
review: build
	$(PYTHON) -m venv build/review
	build/review/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	build/review/bin/python -m pip install --quiet --disable-pip-version-check --group review
	build/review/bin/repo-review .
	build/review/bin/pyroma --min 9 .  # the tenth point is for an e-mail address
	build/review/bin/twine check --strict dist/*.whl dist/*.tar.gz
	build/review/bin/validate-pyproject pyproject.toml
	build/review/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	build/review/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	build/review/bin/check-jsonschema --builtin-schema vendor.github-issue-forms \
	    $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	build/review/bin/check-jsonschema --builtin-schema vendor.github-issue-config \
	    .github/ISSUE_TEMPLATE/config.yml
	build/review/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	build/review/bin/zizmor --offline .github

# The wheel alone, outside this folder: are its data, its models and its command complete?
check-wheel: build
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python $(INSTALL) --no-compile torch==2.13.0
	$(WHEEL)/bin/python $(INSTALL) --no-compile dist/*.whl
	cd $(WHEEL) && bin/spectessera synth page --seed 2 --size 96,72 --out page.png
	cd $(WHEEL) && bin/spectessera synth cube page.png --counts 1000 --out page.h5
	cd $(WHEEL) && bin/spectessera segment page.h5 --model maxrf --out page
	cd $(WHEEL) && bin/spectessera compare page page.h5

# What a release consists of: a bill of materials of an environment that holds the wheel alone.
sbom: check-wheel
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0
	build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --sv 1.5 \
	    --output-reproducible --validate -o dist/spectessera.cdx.json $(WHEEL)/bin/python

# The site, in build/site; a warning, a cell that fails and a link to nothing stop it.
docs: $(STAMP)
	$(BIN)/python $(INSTALL) --group docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site
	$(BIN)/python -m tools.check_site build/site

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Hours the first time; what is in quality.csv is not measured again.
quality: $(STAMP)
	$(BIN)/python $(INSTALL) --group quality
	$(BIN)/python -m benchmarks.quality

# Hours; what is in mutants.jsonl is not measured again.
mutants: $(STAMP)
	$(BIN)/python tools/mutants.py --workers $(WORKERS)

# Half an hour and more: what breaks it from outside; writes the table of docs/trust.md.
hostile: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tools.hostile

clean:
	rm -rf .venv .nox build dist demo-results .pytest_cache .mypy_cache .ruff_cache
	rm -rf .coverage .coverage.* htmlcov
	find . -name '*.egg-info' -o -name __pycache__ | xargs rm -rf

# pip is upgraded first because a fresh virtual environment may hold one that knows no dependency
# groups (before 25.1).
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --upgrade pip
	$(BIN)/python $(INSTALL) torch==2.13.0
	$(BIN)/python $(INSTALL) -e '.[all]' --group dev
	touch $@
