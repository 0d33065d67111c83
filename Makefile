# The front door. Every target installs what it misses (tools/install-deps) and can be repeated.

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help deps demo test libapus libapus-full install install-full bench quantization-report hardening lint format schema clean conformance

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install the system packages (apt); done by the other targets, too
	@tools/install-deps

demo: deps ## Train LeNet on Fashion-MNIST, convert it, classify 10,000 images from C, compare
	@tools/demo

test: deps ## Run every test: Swift, C, linking, dependency, hardening (short)
	@tools/run-tests

libapus: deps ## Build libapus.so and .a (need libc and libm alone) into build/; OPS='a.apus b.apus': for these models alone
	@tools/build-libapus $(if $(OPS),--ops $(OPS)) $(if $(NAME),--name '$(NAME)')

libapus-full: deps ## Build libapus-full.so and .a: with strings, ai.onnx.ml and training operators, too
	@tools/build-libapus --pack full

install: libapus ## Install libapus, headers, pkg-config and CMake files under PREFIX=/usr/local
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install-libapus

install-full: libapus-full ## Install libapus-full beside it
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install-libapus --name apus-full

bench: libapus ## Measure Apus beside other runtimes; tables and a plot into build/bench/ (BENCH='--seconds 0.5': sooner)
	@tools/install-deps bench
	@Benchmarks/run $(BENCH)
	@Benchmarks/kernels

quantization-report: ## Train, quantize by each scheme, compare accuracy, size and time with float and with other runtimes
	@tools/install-deps bench
	@tools/quantization-report

conformance: deps ## ONNX's own test suite, through modelconv and libapus; light, random and real models
	@tools/conformance/run
	@tools/conformance/library
	@tools/conformance/light
	@tools/conformance/random_models
	@tools/conformance/scikit_learn
	@tools/conformance/real_models

hardening: deps ## Hostile files under AddressSanitizer: every flip, every cut, 100,000 sealed mutations
	@tools/hardening/run long
	@tools/conformance/mutations

lint: deps ## Check formatting and the laws of the core
	@tools/lint

format: ## Rewrite the Swift sources in the committed style
	@git ls-files -z --cached --others --exclude-standard -- '*.swift' \
	  | xargs -0 $(SWIFT) format --in-place --parallel --configuration .swift-format

schema: deps ## Generate the code that reads and writes schemas/apus.fbs and schemas/onnx.proto again
	@tools/regenerate-schema
	@tools/regenerate-onnx-schema

clean: ## Remove what was built
	rm -rf .build .build-* build examples/swift/.build
