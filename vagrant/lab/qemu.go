// QEMU: a distribution's own kernel in a virtual machine, with the host's files
// as its root over virtio-fs.

//go:build linux

package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

const (
	qemuBinary = "qemu-system-x86_64"
	kvmDevice  = "/dev/kvm"
	// fileServer serves the host's files to a machine. It is the one of package
	// qemu-system-common; the Rust server of newer releases has other options.
	fileServer = "/usr/lib/qemu/virtiofsd"
	// shareTag is the tag by which the machine mounts its root.
	shareTag = "host"
)

// rootModules are the modules that the ramdisk loads to mount the root. The
// other modules are on that root.
var rootModules = []string{"virtio_pci", "virtiofs"}

// lineModules are the modules for the disks and the program's output.
var lineModules = []string{"virtio_blk", "virtio_console"}

// qemuLines are the machine's ports for the program's output.
var qemuLines = [2]string{job.Port + "stdout", job.Port + "stderr"}

// beside starts the file server in the machine's process group and then
// replaces itself by the machine. The server ends with the machine.
var beside = fmt.Sprintf(`"$0" --fd=%d -o source=/ -o sandbox=chroot -o cache=always -o log_level=err 3>&- 4>&- </dev/null &
exec "$@" %d<&-`, extraFD, extraFD)

func (m Machine) launchQEMU(runDir string, disks []string) (launch, error) {
	binary, err := findQEMU()
	if err != nil {
		return launch{}, err
	}
	ramdisk := filepath.Join(runDir, "ramdisk")
	if err := m.Kernel.writeRamdisk(ramdisk); err != nil {
		return launch{}, fmt.Errorf("ramdisk of kernel %s: %w", m.Kernel.Release, err)
	}
	socket := filepath.Join(runDir, "files")
	listening, err := listen(socket)
	if err != nil {
		return launch{}, err
	}
	words := []string{"/bin/sh", "-c", beside, fileServer, binary}
	return launch{
		words: append(words, m.qemuWords(runDir, ramdisk, socket, disks, hasKVM())...),
		env:   os.Environ(),
		files: []*os.File{listening},
	}, nil
}

// QEMUAvailable says what QEMU machines lack on this host; nil if nothing.
func QEMUAvailable() error {
	_, err := findQEMU()
	return err
}

func findQEMU() (string, error) {
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("QEMU machines need root, for their file server (%s)", fileServer)
	}
	binary, err := exec.LookPath(qemuBinary)
	if err != nil {
		return "", fmt.Errorf("find QEMU (package qemu-system-x86): %w", err)
	}
	return binary, nil
}

// listen makes the socket on which the file server will be called; the caller
// closes the file.
func listen(path string) (*os.File, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	return l.File()
}

// hasKVM reports whether this process may use hardware virtualisation. Some
// virtual machines have the device and a KVM without it, which does not run a
// whole kernel: QEMU stops at the first instruction that this KVM does not know.
func hasKVM() bool {
	f, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	cpus, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && virtualises(string(cpus))
}

// virtualises reports whether /proc/cpuinfo lists Intel's or AMD's extension for
// virtual machines.
func virtualises(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		name, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == "flags" {
			words := strings.Fields(flags)
			return slices.Contains(words, "vmx") || slices.Contains(words, "svm")
		}
	}
	return false
}

// qemuWords returns the arguments of QEMU.
func (m Machine) qemuWords(runDir, ramdisk, socket string, disks []string, kvm bool) []string {
	accelerator, cpu := "tcg,thread=multi", "max"
	if kvm {
		accelerator, cpu = "kvm", "host"
	}
	cpus := m.CPUs
	if cpus == 0 {
		cpus = DefaultCPUs
	}
	words := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "pc,memory-backend=memory", "-accel", accelerator, "-cpu", cpu,
		"-smp", fmt.Sprint(cpus), "-m", fmt.Sprint(m.memory()),
		"-object", fmt.Sprintf("memory-backend-memfd,id=memory,size=%dM,share=on", m.memory()),
		"-chardev", "socket,id=files,path=" + socket,
		"-device", "vhost-user-fs-pci,chardev=files,tag=" + shareTag,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-device", "virtio-serial-pci",
	}
	for i, fd := range []int{stdoutFD, stderrFD} {
		words = append(words,
			"-chardev", fmt.Sprintf("file,id=line%d,path=/proc/self/fd/%d", i, fd),
			"-device", fmt.Sprintf("virtserialport,chardev=line%d,name=%s", i, strings.TrimPrefix(qemuLines[i], job.Port)))
	}
	for i, path := range disks {
		// A crash of the machine keeps what reached the host's page cache, so
		// flushes need not reach the host's disk.
		cache := "unsafe"
		if m.Disks[i].Direct {
			cache = "none"
		}
		words = append(words,
			"-drive", fmt.Sprintf("if=none,id=disk%d,file=%s,format=raw,cache=%s,aio=threads", i, path, cache),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,num-queues=%d,serial=disk%d", i, cpus, i))
	}
	return append(words, "-kernel", m.Kernel.Binary, "-initrd", ramdisk,
		"-append", strings.Join(kernelWords(runDir), " "))
}

// kernelWords returns the kernel's command line. Mitigations protect secrets,
// which a test machine does not have, and are slow under emulation.
//
// The kernel starts one processor; the guest starts the others when the modules
// are loaded. A kernel patches its own code while it boots (its messages show
// one such place, "sched_clock: Marking stable"). QEMU 7.2, which emulates each
// processor in a thread of its own, can keep the breakpoint that stands in the
// code meanwhile, if another processor runs through there: of some 150 to 200
// boots, two ended in "Fatal exception in interrupt". For a processor that
// starts late, the kernel would measure lpj, the speed of its delay loop, for a
// second; noreplace-smp keeps the code fit for several processors from the start.
func kernelWords(runDir string) []string {
	return []string{
		"console=ttyS0", "oops=panic", "panic=-1", "mitigations=off", "apparmor=0", "audit=0", "no_timer_check",
		"maxcpus=1", "lpj=10000000", "noreplace-smp",
		job.Variable + "=" + runDir,
		job.ShareVariable + "=" + shareTag,
	}
}
