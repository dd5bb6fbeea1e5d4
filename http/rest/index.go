package rest

import (
	"strconv"
	"strings"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// index is which tree a request wants.
type index struct {
	// kind and value are authIndexType and authIndexValue as the client asked.
	kind, value string
	// tree is empty for the realm's default; wanted, when not nil, stands in its
	// place. realm is set when an advice names one.
	tree   string
	wanted *journey.Wanted
	realm  realm.Name
	// transaction is the id of the one to authorise, empty for none.
	transaction string
	// force runs the tree though a session would satisfy it.
	force bool
}

// AM's words for an index type that it knows but does not serve here.
var (
	errIndexUnknown = fault{status: 400, message: "Unknown Authentication Index Type"}
	errIndexDenied  = fault{status: 400, message: "Authentication Type Denied"}
	errModuleDenied = fault{status: 401, message: "Module Based Authentication is not allowed."}
	errLevelDenied  = fault{status: 400, message: journey.ErrLevel.Error()}
)

// index reads authIndexType and authIndexValue. Types are compared without
// case, as in AM.
func (c *call) index() (index, error) {
	kind, value := c.query.get("authIndexType"), c.query.get("authIndexValue")
	if len(value) > maxIndexValue {
		return index{}, fault{status: 400, message: "The authIndexValue is too long"}
	}
	switch lower := strings.ToLower(kind); lower {
	case "":
		return index{}, nil
	case "service":
		return index{kind: lower, value: value, tree: value}, nil
	case "composite_advice":
		wanted, err := parseAdvice(value)
		wanted.kind, wanted.value, wanted.force = lower, value, true
		return wanted, err
	case "module":
		return index{}, errModuleDenied
	case "level":
		level, err := parseLevel(value)
		if err != nil {
			return index{}, err
		}
		return index{kind: lower, value: value, wanted: &journey.Wanted{Level: level, ByLevel: true}}, nil
	case "transaction":
		return index{kind: lower, value: value, transaction: value, force: true}, nil
	case "resource", "user", "role":
		return index{}, errIndexDenied
	}
	return index{}, errIndexUnknown
}

// parseLevel reads the level that a session is to reach. Below 1 every tree would do,
// and the question which one is a list of them all.
func parseLevel(text string) (int, error) {
	level, err := strconv.Atoi(text)
	if err != nil || level < 1 {
		return 0, errLevelDenied
	}
	return level, nil
}
