// The output of the actor for the host.

package main

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// tell prints one step.
func tell(step scene.Step, format string, args ...any) {
	fmt.Printf("%s%s%s\n", step, scene.Separator, fmt.Sprintf(format, args...))
}
