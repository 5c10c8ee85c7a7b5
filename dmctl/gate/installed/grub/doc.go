// Package grub interprets GRUB's scripts. It runs grub.cfg as a script, as far
// as this makes the menu and chooses the default. Some values depend on the
// machine at boot and are not known here; everything that depends on them is
// unknown too, and never guessed. A script may ask for any amount of work; the
// work is bounded.
//
// It knows GRUB's language, and nothing about kernels: others find out what an
// entry boots.
package grub

// From the top down: menu, run, entries, condition, variables, script.
