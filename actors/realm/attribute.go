package realm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sojourn/actors/internal/amjson"
)

// attribute is one value of a settings document: where it stands, how it is read
// into settings and shown, and what the reference says of it.
type attribute struct {
	group, name string // group is empty for an attribute at the top
	read        func(json.RawMessage) error
	show        func() any
	// values says what may be written, about what it does, or why it does
	// nothing when none is set.
	values, about string
	none          bool
	// secret attributes are stored, but shown as null.
	secret bool
	// wide attributes are those of the whole deployment in AM. A realm may have
	// its own all the same, and then its document shows them.
	wide bool
	// process attributes have their default from the process configuration.
	process bool
}

func (a attribute) path() string {
	if a.group == "" {
		return a.name
	}
	return a.group + "." + a.name
}

// does adds what the attribute does.
func (a attribute) does(about string) attribute {
	a.about = about
	return a
}

// idle says why an attribute that is judged does nothing.
func (a attribute) idle(why string) attribute {
	a.about, a.none = why, true
	return a
}

// none is an attribute that is kept and shown, and does nothing here.
func none(group, name string, preset any, why string) attribute {
	return attribute{
		group: group, name: name, none: true, values: "kept as it is", about: why,
		read: func(json.RawMessage) error { return nil },
		show: func() any { return preset },
	}
}

// hidden is none, and never shown.
func hidden(group, name, why string) attribute {
	a := none(group, name, nil, why)
	a.secret, a.values = true, "never shown"
	return a
}

// wide marks attributes as those of the whole deployment.
func wide(all ...attribute) []attribute {
	for i := range all {
		all[i].wide = true
	}
	return all
}

// ofProcess marks attributes whose default is the process configuration's.
func ofProcess(all ...attribute) []attribute {
	for i := range all {
		all[i].process = true
	}
	return all
}

func flag(group, name string, to *bool) attribute {
	return attribute{
		group: group, name: name, values: "`true`, `false`",
		read: func(raw json.RawMessage) (err error) { return set(to, raw, amjson.Flag) },
		show: func() any { return *to },
	}
}

// not is a flag with its sense turned round.
func not(a attribute, to *bool) attribute {
	a.read = func(raw json.RawMessage) error {
		value, err := amjson.Flag(raw)
		if err == nil {
			*to = !value
		}
		return err
	}
	a.show = func() any { return !*to }
	return a
}

// choice is one of some texts, in any case, each of which stands for a value.
type choice[T any] struct {
	text  string
	value T
}

func choices[T comparable](group, name string, to *T, all ...choice[T]) attribute {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.text
	}
	return attribute{
		group: group, name: name, values: "`" + strings.Join(names, "`, `") + "`",
		read: func(raw json.RawMessage) error {
			text, err := amjson.Text(raw)
			if err != nil {
				return err
			}
			for _, c := range all {
				if strings.EqualFold(c.text, text) {
					*to = c.value
					return nil
				}
			}
			return fmt.Errorf("%.80q is none of %s", text, strings.Join(names, ", "))
		},
		show: func() any {
			for _, c := range all {
				if c.value == *to {
					return c.text
				}
			}
			return nil
		},
	}
}

func whole(group, name string, to *int, low int64) attribute {
	a := between(group, name, to, low, math.MaxInt32)
	a.values = fmt.Sprintf("a whole number from %d", low)
	return a
}

func between(group, name string, to *int, low, high int64) attribute {
	return attribute{
		group: group, name: name, values: fmt.Sprintf("a whole number from %d to %d", low, high),
		read: func(raw json.RawMessage) error {
			n, err := amjson.Whole(raw, low, high)
			if err == nil {
				*to = int(n)
			}
			return err
		},
		show: func() any { return *to },
	}
}

// digits is a number that AM shows as a text.
func digits(a attribute, to *int) attribute {
	a.show = func() any { return strconv.Itoa(*to) }
	return a
}

// count is a duration as a number of units.
func count(group, name string, to *time.Duration, unit time.Duration, low int64) attribute {
	units := "seconds"
	if unit == time.Minute {
		units = "minutes"
	}
	return attribute{
		group: group, name: name, values: fmt.Sprintf("%s, from %d", units, low),
		read: func(raw json.RawMessage) error {
			n, err := amjson.Whole(raw, low, amjson.MaxCount)
			if err == nil {
				*to = amjson.Duration(n, unit)
			}
			return err
		},
		show: func() any { return amjson.Count(*to, unit) },
	}
}

func text(group, name string, to *string, values string, check func(string) error) attribute {
	return attribute{
		group: group, name: name, values: values,
		read: func(raw json.RawMessage) error {
			text, err := amjson.Text(raw)
			if err == nil {
				err = check(text)
			}
			if err == nil {
				*to = text
			}
			return err
		},
		show: func() any { return *to },
	}
}

func texts(group, name string, to *[]string, check func(string) error) attribute {
	return attribute{
		group: group, name: name, values: "a list of texts",
		read: func(raw json.RawMessage) error {
			list, err := amjson.Texts(raw)
			for _, text := range list {
				if err == nil && check != nil {
					err = check(text)
				}
			}
			if err == nil {
				*to = list
			}
			return err
		},
		show: func() any { return append([]string{}, *to...) },
	}
}

// unsaid is what AM keeps for a tree that nobody has named.
const unsaid = "[Empty]"

func treeName(group, name string, to *string) attribute {
	return attribute{
		group: group, name: name, values: "a tree's name",
		read: func(raw json.RawMessage) error {
			text, err := amjson.Text(raw)
			switch {
			case err != nil || text == unsaid:
				return err
			case text == "":
				return errors.New("a tree's name is needed")
			}
			*to = text
			return nil
		},
		show: func() any { return *to },
	}
}

// oneURL is a list of URLs of which the first counts, as for AM; an empty list
// means the URL given.
func oneURL(group, name string, to *string, empty string) attribute {
	return attribute{
		group: group, name: name, values: "a list of URLs, of which the first counts",
		read: func(raw json.RawMessage) error {
			list, err := amjson.Texts(raw)
			if err != nil {
				return err
			}
			for _, text := range list {
				if err := checkURL(text); err != nil {
					return err
				}
			}
			list = slices.DeleteFunc(list, func(text string) bool { return text == "" })
			if *to = empty; len(list) > 0 {
				*to = list[0]
			}
			return nil
		},
		show: func() any {
			if *to == "" {
				return []string{}
			}
			return []string{*to}
		},
	}
}

func checkURL(text string) error {
	if len(text) > MaxURL || !clean(text) {
		return fmt.Errorf("%.200q is not a URL of at most %d bytes", text, MaxURL)
	}
	return nil
}

// profile is AM's user profile mode: "false" (the profile must be there),
// "ignore", and two modes that create profiles, where none is refused either.
func profile(group, name string, required *bool) attribute {
	return attribute{
		group: group, name: name, values: "`false`, `ignore`, `true`, `createAlias`",
		read: func(raw json.RawMessage) error {
			mode, err := amjson.Text(raw)
			if err == nil && !slices.Contains([]string{"false", "ignore", "true", "createAlias"}, mode) {
				err = fmt.Errorf("%.40q is none of false, ignore, true, createAlias", mode)
			}
			if err == nil {
				*required = mode == "false"
			}
			return err
		},
		show: func() any {
			if *required {
				return "false"
			}
			return "ignore"
		},
	}
}

// replicas is how many members hold a journey; null leaves it to the process.
func replicas(group, name string, to *int) attribute {
	return attribute{
		group: group, name: name, values: "`1`, `3`, `5`; null: `journeys.replicas` of the process",
		read: func(raw json.RawMessage) error {
			n, err := amjson.Whole(raw, math.MinInt32, math.MaxInt32)
			if err == nil && !slices.Contains(ReplicaCounts(), int(n)) {
				err = fmt.Errorf("%d is none of 1, 3, 5", n)
			}
			if err == nil {
				*to = int(n)
			}
			return err
		},
		show: func() any {
			if *to == 0 {
				return nil
			}
			return *to
		},
	}
}

func set[T any](to *T, raw json.RawMessage, read func(json.RawMessage) (T, error)) error {
	value, err := read(raw)
	if err == nil {
		*to = value
	}
	return err
}
