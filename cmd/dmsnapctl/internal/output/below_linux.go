package output

import "github.com/dmsnapctl/dmsnapctl/verify/blockdev"

// filesBelow returns the files and device nodes that a block device consists
// of: its own node, the nodes of the devices below it, and the files behind
// loop devices.
func filesBelow(path string) []string {
	dev, err := blockdev.Open(path)
	if err != nil {
		return nil // the reader will report it
	}
	defer dev.Close()
	if !dev.IsBlockDevice() {
		return nil
	}
	var system blockdev.System
	var files []string
	seen := map[blockdev.DevNo]bool{}
	for todo := []blockdev.DevNo{dev.DevNo()}; len(todo) > 0; todo = todo[1:] {
		d := todo[0]
		if disk, ok := system.WholeDisk(d); ok {
			todo = append(todo, disk)
		}
		if seen[d] {
			continue
		}
		seen[d] = true
		files = append(files, system.NodePath(d))
		if file := system.LoopFile(d); file != "" {
			files = append(files, file)
		}
		below, _ := system.Slaves(d) // those in sysfs
		for _, n := range below {
			todo = append(todo, n.Dev)
		}
	}
	return files
}
