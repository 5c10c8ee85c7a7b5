// Package box makes a Vagrant box of Debian from packages, and runs Vagrant
// and libvirt where they cannot change this machine. The box has no Go and is
// for the libvirt provider without hardware virtualisation; it boots the
// distribution's own kernel.
package box

// From the top down: box, system, world, inside.
