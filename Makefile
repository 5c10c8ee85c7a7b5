# dmsnapctl: build, demonstrate, test, measure.
#
# `make demo` and `make test` do all their own set-up on a fresh Debian machine
# with Go, make and root. Everything else needs no root.

# Root by sudo or su often has no Go in its PATH, and programs that are run here
# call go by that name.
GO         ?= $(or $(shell command -v go),/usr/local/go/bin/go)
GOROOT     := $(shell $(GO) env GOROOT 2>/dev/null)
ifeq ($(GOROOT),)
$(error no Go here: install Go 1.26 (https://go.dev/dl), or say where it is: make GO=/path/to/go)
endif
export PATH := $(GOROOT)/bin:$(PATH)

# The release and the commit for --version. A tree without a repository has no
# commit.
VERSION    ?=
COMMIT     := $(shell git describe --always --abbrev=12 --exclude='*' --dirty=-modified 2>/dev/null)
GOBUILD     = CGO_ENABLED=0 $(GO) build -trimpath -tags urfave_cli_no_docs \
	-ldflags '-X main.release=$(VERSION) -X main.commit=$(COMMIT)'

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.1
ACTIONLINT  = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# Kernel tests live in files named *_kernel_test.go; each package with some of
# them gets a machine of its own.
KERNELPACKAGES = $(sort $(dir $(shell find . -name '*_kernel_test.go')))
# Kernel tests are chosen by name, out of those files: units run on the host.
KERNELTESTS = ^($(shell grep -ho '^func Test[A-Za-z0-9_]*' $$(find . -name '*_kernel_test.go') | sed 's/func //' | grep -v '^TestMain$$' | sort -u | paste -sd'|'))$$
# They are built without cgo, like the program: some limit its memory.
KERNELTEST = CGO_ENABLED=0 $(GO) test -tags kernel -count=1 -timeout 60m -run '$(KERNELTESTS)' -exec "$(CURDIR)/bin/lab exec $(1)"

# The essential ones, by package, for the distribution's kernel on several CPUs:
# tests of what can go wrong only with two CPUs. To run all of them there: make
# test-kernels KERNELS=qemu-6.12.
SMPTESTS = \
	./dmctl:TestCreateOnPlainDevice,TestCreateAtOnce,TestActivate,TestMerge,TestGrowOverflowInvalid,TestForeignOrigins,TestAttackKills,TestStoppedInThePause \
	./verify:TestLiveStoreIsNeverCalledDamaged \
	./verify/crash:TestMergeOfAFinishedStore,TestOverflow,TestTransientBesidePersistent,TestGrowWhileRecording

FUZZPACKAGES = $(sort $(dir $(shell grep -rl --include='*_test.go' '^func Fuzz' .)))
STOREPACKAGES = ./verify/ ./verify/cow/
FUZZ = GO="$(GO)" testdata/fuzz.sh

.NOTPARALLEL:
.PHONY: arrows mutants soak clones all build certificates setup setup-tests demo test unit race kernel test-kernels fuzz-short fuzz bench lint clean install packages release test-packages test-packages-quick test-portable prebuilt-tests vagrant-test third-party pictures remedies losses

all: build

# The tag leaves out the CLI library's writer of man pages, which compiles
# regular expressions whenever the program starts.
build:
	$(GOBUILD) -o bin/ ./cmd/dmsnapctl ./vagrant/lab/cmd/lab

# Go fetches modules over TLS, and a minimal Debian has no certificates.
certificates:
	@test -e /etc/ssl/certs/ca-certificates.crt || ! command -v apt-get >/dev/null || { \
		test "$$(id -u)" = 0 || { echo "make: installing ca-certificates takes root" >&2; exit 1; }; \
		echo "installing ca-certificates"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ca-certificates; }

# setup installs the packages that boot kernels on this machine, and builds the
# leaky snapshot module. Repeated runs find everything in place.
setup: certificates build
	bin/lab setup

setup-tests: setup
	bin/lab setup -tests

# demo shows the main use: two kernels crash, and one of them leaks.
demo: setup
	bin/lab demo

test: setup-tests unit race fuzz-short kernel

# All unit tests in full; `go test ./...` is the quick form.
unit:
	DMSNAPCTL_THOROUGH=1 $(GO) test -timeout 20m ./... $(TOOLS)

# Go leaves testdata out of ./..., and the tools there need checks too.
TOOLS = ./testdata/arrows ./testdata/bench ./testdata/losses ./testdata/mutate ./testdata/thorough/...

# All of the program under the race detector: a package without goroutines can be
# called by those of another. Tests that limit or measure the memory of the program
# are left out, because the detector takes more than that.
RACESKIP = ^(TestWhatGoesWrongInTheRuntimeIsNoVerdict|TestFatalErrorsAreSignals|TestMemoryOf.*)$$
race:
	$(GO) test -race -timeout 20m -skip '$(RACESKIP)' ./cmd/... ./dmctl/... ./verify/...

# Each fuzz target for a short time, beyond its corpus; targets that read stores
# run longer.
fuzz-short:
	$(FUZZ) 20s $(STOREPACKAGES)
	$(FUZZ) 5s $(filter-out $(STOREPACKAGES),$(FUZZPACKAGES))

fuzz:
	$(FUZZ) 10m $(FUZZPACKAGES)

# Changes rules and orders of steps one at a time; a unit test must fail each time.
mutants:
	$(GO) test ./testdata/mutate
	$(GO) run ./testdata/mutate

# Within a package calls go down, between packages imports: see the tool's comment.
arrows:
	$(GO) run ./testdata/arrows

# The leak makes no difference to attacks, nor to promises, reproducers and the
# rarer uses of snapshots, which take long.
NOTONLEAKY = ^(TestAttack|TestReproducers$$|TestMergeOfAFinishedStore$$|TestOverflow$$|TestTransientBeside|TestDiscardZeroesCOW$$|TestDiscardPassdown$$|TestGrowWhileRecording$$|TestSqliteKeeps|TestDocumentedCheckers$$|TestRecordTower$$|TestIsTheFileSystemWhole$$)

# The lab's own tests boot machines from the host; kernel tests run inside them,
# on the distribution's snapshot target and on the leaky one.
kernel: setup-tests
	$(GO) test -tags lab -count=1 -p 1 -timeout 30m ./vagrant/...
	$(call KERNELTEST,) $(KERNELPACKAGES)
	$(call KERNELTEST,-leaky) -skip '$(NOTONLEAKY)' ./vagrant/lab/ ./cmd/dmsnapctl/ ./verify/crash/
	GO="$(GO)" vagrant/remedies.sh "$(CURDIR)/bin/lab exec"
	GO="$(GO)" vagrant/some-tests.sh "$(CURDIR)/bin/lab exec -engine qemu" $(SMPTESTS)
	GO="$(GO)" vagrant/some-tests.sh "$(CURDIR)/bin/lab exec -udev alive" ./dmctl:TestKilledBesideUdev
	GO="$(GO)" vagrant/some-tests.sh "$(CURDIR)/bin/lab exec -udev hung" ./dmctl:TestUdevDoesNothing
	GO="$(GO)" vagrant/some-tests.sh "$(CURDIR)/bin/lab exec -udev dead" ./dmctl:TestUdevDoesNothing

# The table of the remedies of docs/crash-findings.md on the newest kernel, too.
# User-mode Linux 7.2 and its sources (some 200 MB) are fetched, and the leaky and
# the mended module built.
remedies: setup-tests
	bin/lab setup -kernels uml-7.2
	GO="$(GO)" vagrant/remedies.sh "$(CURDIR)/bin/lab exec"
	GO="$(GO)" vagrant/remedies.sh "$(CURDIR)/bin/lab exec -kernel 7.2"

# What crashes of the leaky kernel lose, on one CPU and on two, over the band of
# the model, as one picture and a table: about ten minutes. LOSSES=docs/pictures/losses.svg
# is for docs/crash.md.
LOSSES ?= bin/losses.svg
losses: setup-tests
	GO="$(GO)" vagrant/losses.sh "$(CURDIR)/bin/lab exec" $(LOSSES)

# Kernel tests by name on every kernel and variant of the lab, with one table.
test-kernels: setup-tests
	bin/lab setup -kernels "$(KERNELS)"
	bin/lab matrix -kernels "$(KERNELS)" -run '$(KERNELTESTS)' $(KERNELPACKAGES)

KERNELS ?= all

# Kernel tests for a Vagrant machine that cannot compile them in reasonable time;
# see vagrant/Vagrantfile.
prebuilt-tests: build
	GO="$(GO)" vagrant/prebuild.sh bin/tests '$(KERNELTESTS)' $(KERNELPACKAGES)

# The project's own Vagrantfile on Debian's kernel, systemd and udev, without
# hardware virtualisation: makes a box from packages, runs the kernel tests, installs
# the package and reboots. Machine, daemons and network end with the test.
vagrant-test: certificates prebuilt-tests
	$(GO) test -tags vagrant -count=1 -p 1 -v -timeout 8h ./vagrant/box ./vagrant

# As many clones as CLONES says, on both engines, from 16 goroutines; the power
# is cut, and all must come back. The race detector does not fit into the address
# space of programs in User-mode Linux.
CLONES ?= 1000
clones: setup-tests
	DMSNAPCTL_CLONES=$(CLONES) $(GO) test -tags lab -count=1 -v -timeout 6h -run Outlive/uml ./vagrant/lab/clones
	DMSNAPCTL_CLONES=$(CLONES) $(GO) test -race -tags lab -count=1 -v -timeout 6h -run Outlive/qemu ./vagrant/lab/clones

# All rounds of the attacks on the controller, and one table of the results.
# `make kernel` runs a tenth of the rounds; SOAK sets the percentage. Before that,
# kernel tests that have a thorough form run in it.
THOROUGHTESTS = ^(TestTheKernelTakesReclaimedStores)$$
soak: setup-tests
	DMSNAPCTL_THOROUGH=1 $(call KERNELTEST,) -v -run '$(THOROUGHTESTS)' ./cmd/dmsnapctl/
	GO="$(GO)" vagrant/soak.sh "$(CURDIR)/bin/lab exec" $(SOAK) ./dmctl/ ./cmd/dmsnapctl/

SOAK ?= 100

# The judge, commands that move data, the crash explorer, the gate, and the pause of
# an origin while a snapshot is made.
bench: setup-tests
	bin/lab setup -bench
	CGO_ENABLED=0 $(GO) run ./testdata/bench -cold
	CGO_ENABLED=0 $(GO) run ./testdata/bench -moves -runs 5
	$(GO) test -run '^$$' -bench . ./verify/... ./dmctl/gate/...
	$(GO) test -run '^$$' -bench Start -benchtime 200x ./cmd/dmsnapctl
	$(GO) test -tags lab -run '^$$' -bench . ./vagrant/lab/kernels
	$(GO) test -tags kernel -run '^$$' -bench Pause -benchtime 10x -exec "$(CURDIR)/bin/lab exec" ./dmctl
	for module in "" -mended; do \
	    $(GO) test -tags kernel -run '^$$' -bench '^Benchmark(Commit|Create|Invalidate)$$' -benchtime 20x \
	        -exec "$(CURDIR)/bin/lab exec $$module" ./verify/crash || exit; \
	done
	for engine in uml qemu; do \
	    $(GO) test -tags kernel -run '^$$' -bench Clone -benchtime 1x -timeout 1h \
	        -exec "$(CURDIR)/bin/lab exec -engine $$engine -memory 1024" ./cmd/dmsnapctl || exit; \
	done

lint:
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./... $(TOOLS)
	$(GO) vet -tags kernel,lab,packages,vagrant ./...
	GOOS=darwin $(GO) build ./cmd/... ./verify/... ./dmctl/...
	GOOS=windows $(GO) build ./cmd/... ./verify/... ./dmctl/...
	GOARCH=386 $(GO) vet -tags kernel,lab ./...
	GOARCH=arm $(GO) vet -tags kernel,lab ./...
	GOARCH=386 $(GO) test -tags kernel,lab -run '^$$' -exec true ./... >/dev/null
	$(GO) run $(STATICCHECK) ./... $(TOOLS)
	$(GO) run $(STATICCHECK) -tags kernel,lab,packages,vagrant ./...
	$(GO) run ./testdata/arrows
	$(GO) run $(ACTIONLINT) .github/workflows/*.yml
	! grep -n 'uses:' .github/workflows/*.yml | grep -vE '@[0-9a-f]{40} # v' # pinned by commit

# install puts the program, its manual pages, completion and units below PREFIX.
PREFIX ?= /usr/local
DESTDIR ?=
install: build
	packaging/stage.sh bin/dmsnapctl bin/dmsnapctl "$(DESTDIR)" "$(PREFIX)"

# packages makes .deb and .rpm for all architectures; release makes all files of a
# release.
packages:
	GO="$(GO)" packaging/build.sh "$(VERSION)" dist

release:
	GO="$(GO)" packaging/release.sh "$(VERSION)" dist

# test-packages builds packages twice and compares them. lintian, rpm, systemd,
# Prometheus, Nagios and Icinga check or use their content; completion is tried in
# bash, zsh and fish. It installs the packages that it needs.
test-packages: certificates
	$(GO) test -tags packages -count=1 -timeout 110m -v ./packaging

# test-packages-quick leaves out all architectures but one, the machine, Ansible,
# and the shells, package managers and monitors that take minutes to install or use.
SLOWPACKAGETESTS = ^(TestRelease|TestPreRelease|TestUnitsInAMachine|TestAnsible|TestRoleOnANewMachine|TestRoleInstallsTheRPM|TestCompletionInShells|TestCommandsInMonitors|TestInstallUseUpgradeRemoveTheRPM)$$
test-packages-quick: certificates
	$(GO) test -tags packages -count=1 -timeout 20m -v -skip '$(SLOWPACKAGETESTS)' ./packaging

# test-portable runs unit tests as 386, arm and s390x see them, emulated where the
# kernel does not run such programs. It installs the emulators.
test-portable:
	GO="$(GO)" testdata/portable.sh

# pictures redraws docs/pictures; one is a recording of the demo, which shows more with
# a kernel in QEMU.
pictures: setup
	bin/lab setup -kernels qemu-6.12
	GO="$(GO)" packaging/pictures.sh bin/dmsnapctl bin/lab docs/pictures

# third-party writes the notices of the modules that the program is built from; a
# unit test checks that they are current.
third-party:
	$(GO) run ./packaging/thirdparty > THIRD_PARTY.md.new && mv THIRD_PARTY.md.new THIRD_PARTY.md

clean:
	rm -rf bin
