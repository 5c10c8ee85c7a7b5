// Package verify judges a COW store. It reads the store in disk order and
// reports its contents, the space it lost and what is wrong with it.
//
// It never writes. All rules of judgement (what is a leak, a duplicate, out of
// place, in order) are here; other packages call this one. It knows nothing of
// device mapper: the caller passes in a function that returns what the kernel
// says about a live store.
package verify

// From the top down: verify, live, once, headless, passes, account, leaks, bins, forensics, words,
// ledger, rules, trust, report, finding, unread.
