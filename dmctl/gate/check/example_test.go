package check_test

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
)

// A version from another source.
func ExampleRun() {
	v, err := gate.ParseVersion("v1.11.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	result := check.Run(check.Request{Subject: check.Version, Version: v})
	fmt.Println(result.Verdict)
	fmt.Println(result.Kernels[0].Rule)
	// Output:
	// leaky
	// snapshot target 1.11.1 is in series 1.11, which never got the leak fix
}

// The kernel of another machine, by the output of its `dmsetup targets`.
func ExampleRun_targets() {
	result := check.Run(check.Request{
		Subject: check.Targets,
		Targets: strings.NewReader("striped          v1.6.0\nsnapshot         v1.16.0\n"),
	})
	for _, k := range result.Kernels {
		fmt.Println(k.Verdict, k.Version)
	}
	// Output: fixed 1.16.0
}
