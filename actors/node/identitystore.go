package node

import (
	"strings"
	"unicode/utf8"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/tree"
)

// Outcomes of an Identity Store Decision.
const (
	storeTrue      tree.Outcome = "TRUE"
	storeFalse     tree.Outcome = "FALSE"
	storeLocked    tree.Outcome = "LOCKED"
	storeCancelled tree.Outcome = "CANCELLED"
	storeExpired   tree.Outcome = "EXPIRED"
)

// identityStoreDecision checks username and password, tells locked and expired
// accounts apart, and lets a user whose password must be renewed do so.
type identityStoreDecision struct {
	minLength                int
	universalName, mixedCase bool
}

func identityStoreDecisionType() Type {
	return Type{
		Name:  "IdentityStoreDecisionNode",
		Title: "Identity Store Decision",
		Properties: []Property{
			{Name: "minimumPasswordLength", Title: "Minimum Password Length", Kind: Whole, Default: 8},
			{Name: "useUniversalIdForUsername", Title: "Username as Universal Identifier", Kind: Flag},
			{Name: "mixedCaseForPasswordChangeMessages", Title: "Use mixed case for password change messages", Kind: Flag},
		},
		Inputs:   Fixed(KeyUsername, KeyPassword),
		Outcomes: Fixed(storeTrue, storeFalse, storeLocked, storeCancelled, storeExpired),
		New: func(c Config) (Node, error) {
			return identityStoreDecision{
				minLength:     c.Whole("minimumPasswordLength"),
				universalName: c.Flag("useUniversalIdForUsername"),
				mixedCase:     c.Flag("mixedCaseForPasswordChangeMessages"),
			}, nil
		},
	}
}

func (n identityStoreDecision) Process(c *Context) (Action, error) {
	switch result := c.Result.(type) {
	case Authenticated:
		return n.checked(c, result), nil
	case PasswordChanged:
		return n.changed(c, result)
	}
	if len(c.Answers) > 0 {
		return n.change(c)
	}
	if !c.State.Has(KeyPassword) {
		return nil, ErrMissingInput
	}
	user, password := c.State.Text(KeyUsername), c.State.Text(KeyPassword)
	if strings.TrimSpace(user) == "" || strings.TrimSpace(password) == "" {
		return Goto{storeFalse}, nil
	}
	return Do{Authenticate{User: user, Password: identity.Secret(password), Lockout: c.Settings.Lockout}}, nil
}

func (n identityStoreDecision) checked(c *Context, result Authenticated) Action {
	switch result.Verdict {
	case identity.Match:
		return n.identified(c, result.Identity, result.UniversalID)
	case identity.Locked, identity.Barred:
		return Goto{storeLocked}
	case identity.Expired:
		return n.ask(callback.Information, "Password must be reset.")
	case identity.Mismatch, identity.Unknown:
	}
	return Goto{storeFalse}
}

func (n identityStoreDecision) identified(c *Context, who identity.Identity, universalID string) Action {
	c.Identify(who, universalID)
	if n.universalName {
		c.State.PutShared(KeyUsername, universalID)
	}
	return Goto{storeTrue}
}

// ask shows the password change dialogue. Its confirmation is of AM's kind: 2,
// an error, whatever the text's kind is.
func (n identityStoreDecision) ask(kind callback.MessageKind, message string) Action {
	if !n.mixedCase {
		message = strings.ToUpper(message)
	}
	return Ask{Callbacks: []callback.Callback{
		callback.NewTextOutput(kind, message),
		callback.NewPassword("Old Password"),
		callback.NewPassword("New Password"),
		callback.NewPassword("Confirm Password"),
		callback.NewConfirmation(callback.ErrorText, []string{"SUBMIT", "CANCEL"}, 1, 0),
	}}
}

// change judges the answers to the dialogue.
func (n identityStoreDecision) change(c *Context) (Action, error) {
	pressed, err := c.answer(4).Index(0, 2)
	if err != nil {
		return nil, err
	}
	if pressed == 1 {
		return Goto{storeCancelled}, nil
	}
	var old, renewed, confirmed string
	for i, into := range []*string{&old, &renewed, &confirmed} {
		if *into, err = c.answer(i + 1).Text(0); err != nil {
			return nil, err
		}
	}
	user := c.State.Text(KeyUsername)
	switch {
	case renewed == "" || utf8.RuneCountInString(renewed) < n.minLength:
		return n.ask(callback.ErrorText, "New password is too short."), nil
	case renewed != confirmed:
		return n.ask(callback.ErrorText, "The password and the confirm password do not match."), nil
	case renewed == old:
		return n.ask(callback.ErrorText, "The password must be different. Try again."), nil
	case strings.EqualFold(renewed, user):
		return n.ask(callback.ErrorText, "Username and password must be different. Try again."), nil
	}
	return Do{ChangePassword{
		User: user, Old: identity.Secret(old), New: identity.Secret(renewed), Lockout: c.Settings.Lockout,
	}}, nil
}

func (n identityStoreDecision) changed(c *Context, result PasswordChanged) (Action, error) {
	switch {
	case result.Refused:
		return n.ask(callback.ErrorText, "New password does not meet the password policy requirements."), nil
	case result.Verdict == identity.Match:
		password, err := c.answer(2).Text(0)
		if err != nil {
			return nil, err
		}
		c.State.PutTransient(KeyPassword, password)
		return n.identified(c, result.Identity, result.UniversalID), nil
	case result.Verdict == identity.Locked, result.Verdict == identity.Barred:
		return Goto{storeLocked}, nil
	case result.Verdict == identity.Expired:
		return Goto{storeExpired}, nil
	}
	return n.ask(callback.ErrorText, "The password you entered is invalid."), nil
}
