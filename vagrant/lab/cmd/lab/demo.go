//go:build linux

// lab demo: the main use on two kernels, side by side.

package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo"
)

func demonstrate(args []string) (int, error) {
	flags := flag.NewFlagSet("lab demo", flag.ContinueOnError)
	dir := flags.String("out", "out/demo", "`directory` for the disks, which stay there")
	if err := flags.Parse(args); err != nil {
		return exitUsage, nil // flag has printed why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo.Show(ctx, os.Stdout, *dir); err != nil {
		return 1, err
	}
	return 0, nil
}
