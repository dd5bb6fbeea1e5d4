// Package cli is the command line: one file for each subcommand, each of them
// an argument list read into values and one call that does the work.
//
// Results go to the standard output, everything said to a person to the
// standard error, so that output can be piped. Listings are tables, or JSON
// with --json. Passwords and secrets come from files and standard input, never
// from arguments, which other users of a machine can see.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitDone   = 0
	ExitFailed = 1 // it was tried and did not work
	ExitMisuse = 2 // the command line makes no sense; nothing was tried
)

// Env is what a command sees of the world.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Environ is the environment in the form of os.Environ.
	Environ []string
}

// Getenv returns the last value of a variable, empty when there is none.
func (e Env) Getenv(name string) string {
	value := ""
	for _, line := range e.Environ {
		if text, ok := strings.CutPrefix(line, name+"="); ok {
			value = text
		}
	}
	return value
}

// Main runs one command line, without the program's name, and returns the exit
// code. When ctx ends, a command stops in order.
func Main(ctx context.Context, env Env, args []string) int {
	root := rootCommand(env)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var misuse misuseError
	var exit exitError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &exit):
		fmt.Fprintf(env.Stderr, "sojourn: %v\n", err)
		return exit.code
	case errors.As(err, &misuse):
		fmt.Fprintf(env.Stderr, "sojourn: %v\nSee: %s --help\n", err, cmd.CommandPath())
		return ExitMisuse
	}
	fmt.Fprintf(env.Stderr, "sojourn: %v\n", err)
	return ExitFailed
}

func rootCommand(env Env) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "sojourn",
		Short: "Login journeys and sessions for clients of PingAM, in one binary",
	},
		serveCommand(env), usersCommand(env), journeysCommand(env), sessionsCommand(env), realmsCommand(env), membersCommand(env),
		backupCommand(env), restoreCommand(env), keysCommand(env), configCommand(env), benchCommand(env), chaosCommand(env), versionCommand(env),
	)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuseError{err} })
	return root
}

// group makes a command of subcommands. Alone it is a misuse: which one was
// meant cannot be guessed.
func group(cmd *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(subcommands...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, c := range cmd.Commands() {
			if !c.Hidden {
				names = append(names, c.Name())
			}
		}
		if len(args) > 0 {
			return misusef("%s has no command %q; there are: %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
		}
		return misusef("a command is needed: %s", strings.Join(names, ", "))
	}
	return cmd
}

// misuseError says that the command line makes no sense.
type misuseError struct{ err error }

func (e misuseError) Error() string { return e.err.Error() }
func (e misuseError) Unwrap() error { return e.err }

// exitError has an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

func misusef(format string, args ...any) error { return misuseError{fmt.Errorf(format, args...)} }

// wants checks the number of arguments against their names, as in the usage
// line; a last name with "..." takes any number.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		least, open := len(names), false
		if least > 0 && strings.HasSuffix(names[least-1], "...") {
			least, open = least-1, true
		}
		switch {
		case len(args) < least:
			return misusef("%s: %s is missing", cmd.CommandPath(), names[len(args)])
		case len(args) > least && !open:
			return misusef("%s: too many arguments: %q", cmd.CommandPath(), args[least])
		}
		return nil
	}
}
