// Package grub is GRUB's interpreter: it runs grub.cfg as the script that it is,
// as far as that makes the menu and chooses the default. What depends on the
// machine at boot is not known here, and what depends on that is unknown in turn,
// never guessed. A script may ask for any amount of work and gets a bounded one.
//
// It knows GRUB's language and nothing of kernels: what an entry boots is for
// others to tell.
//
// From top to bottom: menu, run, condition, script.
//
// From the top down: menu, run, entries, condition, variables, script.
package grub
