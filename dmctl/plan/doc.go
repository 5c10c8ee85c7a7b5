// Package plan is the controller's engine. A plan is a list of steps, as data;
// the engine runs them in order and undoes them in reverse. It knows mapped
// devices, tables and block devices, but not snapshots: the makers of plans
// decide the order of steps.
//
// # The pause
//
// Steps may leave devices suspended for the steps after them. The root file
// system, the swap space and this program may lie on such a device. So from
// before the first suspend until after the last resume, memory is locked, no
// file is opened and nothing is logged. A second process, the guardian, has all
// it needs to resume I/O.
//
// If this process dies in the pause, its end of a pipe closes. The guardian
// then resumes the devices in use at once: a plan guarantees that they may be
// resumed at any moment of its pause. Other suspended devices are left to the
// recovery function, which it calls next. If this process hangs instead, and a
// device in use is still suspended after a minute, the guardian resumes it,
// too, and the plan is undone. A guardian ends with the run that it guards, or
// after recovery. A program offers itself as the guardian by calling
// [BeGuardian]. Without that call, or if no guardian can be started, nothing is
// suspended.
package plan

// From the top down: run, guardian, files, parts, sequence, pause, lock,
// plan, steps, engine, guarded, machine, open, operations, runstate, stops,
// guard.
