package boot

// The machine of these tests.

const (
	oldRelease = "6.1.0-9-amd64"
	newRelease = "6.1.0-47-amd64"
)

// debian has two kernels and no boot loader.
var debian = map[string]string{
	"boot/vmlinuz-" + oldRelease: "image",
	"boot/vmlinuz-" + newRelease: "image",
}
