package node

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of the default policies, in characters. The user name's are those of
// a stock managed user.
const (
	minPassword = 8
	maxPassword = 1024
	maxUsername = 255
)

// policy is one rule for a collected value, by the names that clients know
// (am-contract section 3.2).
type policy struct {
	id, requirement string
	params          map[string]any
	// holds judges a value; nil for a rule that only the store can judge.
	holds func(string) bool
}

// policies are the rules for one attribute, and what clients are told of them.
type policies struct {
	rules       []policy
	description map[string]any
}

func usernamePolicies(attribute string) policies {
	return newPolicies(attribute, required(), newName(), excludes("/"), atMost(maxUsername))
}

func passwordPolicies(attribute string) policies {
	return newPolicies(attribute, required(), atLeast(minPassword), atMost(maxPassword))
}

func newPolicies(attribute string, rules ...policy) policies {
	names := make([]string, len(rules))
	listed := make([]any, len(rules))
	for i, p := range rules {
		names[i] = p.requirement
		entry := map[string]any{"policyId": p.id, "policyRequirements": []string{p.requirement}}
		if p.params != nil {
			entry["params"] = p.params
		}
		listed[i] = entry
	}
	return policies{rules, map[string]any{
		"name":                attribute,
		"policyRequirements":  names,
		"fallbackPolicies":    nil,
		"policies":            listed,
		"conditionalPolicies": nil,
	}}
}

// failed lists what value breaks, as entries of failedPolicies. An empty value
// only breaks the rule that there be one.
func (p policies) failed(value string) []string {
	var failures []string
	for _, rule := range p.rules {
		if rule.holds == nil || rule.holds(value) {
			continue
		}
		failures = append(failures, rule.failure())
		if value == "" {
			break
		}
	}
	return failures
}

// failure is the policy as an entry of failedPolicies: a text that is JSON.
func (p policy) failure() string {
	entry := map[string]any{"policyRequirement": p.requirement}
	if p.params != nil {
		entry["params"] = p.params
	}
	text, err := json.Marshal(entry)
	if err != nil {
		panic(fmt.Sprintf("policy %s cannot be written: %v", p.id, err))
	}
	return string(text)
}

func required() policy {
	return policy{id: "required", requirement: "REQUIRED", holds: func(s string) bool { return s != "" }}
}

// newName is the rule that nobody has the user name yet.
func newName() policy { return policy{id: "valid-username", requirement: "VALID_USERNAME"} }

func excludes(characters string) policy {
	return policy{
		id:          "cannot-contain-characters",
		requirement: "CANNOT_CONTAIN_CHARACTERS",
		params:      map[string]any{"forbiddenChars": strings.Split(characters, "")},
		holds:       func(s string) bool { return !strings.ContainsAny(s, characters) },
	}
}

func atLeast(n int) policy {
	return policy{
		id:          "minimum-length",
		requirement: "MIN_LENGTH",
		params:      map[string]any{"minLength": n},
		holds:       func(s string) bool { return utf8.RuneCountInString(s) >= n },
	}
}

func atMost(n int) policy {
	return policy{
		id:          "maximum-length",
		requirement: "MAX_LENGTH",
		params:      map[string]any{"maxLength": n},
		holds:       func(s string) bool { return utf8.RuneCountInString(s) <= n },
	}
}
