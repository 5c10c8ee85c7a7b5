// Package plan is the engine of the controller: a plan is a list of steps, as
// data, and the engine runs them in order and undoes them in reverse. It knows
// mapped devices, tables and block devices, and no snapshot: what is done in
// which order is the business of those who make plans.
//
// # The pause
//
// Steps may leave devices suspended for those that follow. The root file
// system, the swap space and this program may lie on such a device. So from
// before the first suspend until after the last resume memory is locked, no
// file is opened, nothing is logged, and a second process stands guard, which
// has all it needs to let I/O go on.
//
// If this process dies in the pause, its end of a pipe closes. The guardian
// then resumes at once the devices that are in use: a plan promises that they
// may be resumed at any moment of its pause. What else is suspended it leaves
// to the function that recovers, which it calls next. If this process hangs
// instead, and such a device is still suspended after a minute, the guardian
// resumes it, too, and the plan is undone. A guardian lives no longer than what
// it guards, except for the time that recovering takes. [BeGuardian] is how a
// program lends itself to that; without it, or when no guardian can be started,
// nothing is suspended.
//
// From the top down: run, guardian, files, parts, sequence, pause, lock,
// plan, steps, engine, guarded, machine, open, operations, runstate, stops,
// guard.
package plan
