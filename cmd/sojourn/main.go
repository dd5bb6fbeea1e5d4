// Command sojourn runs login journeys and sessions for clients of PingAM.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sojourn/cmd/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal asks for an orderly end, a second one ends at once
	return cli.Main(ctx, cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}, os.Args[1:])
}
