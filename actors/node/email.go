package node

import (
	"errors"
	"strings"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/mail"
	"sojourn/actors/tree"
)

// resumeURI is what templates call the link that resumes a journey.
const resumeURI = "resumeURI"

// defaultSuspendMessage is what a client is shown when the node does not say.
const defaultSuspendMessage = "An email has been sent to the address you entered. Click the link in that email to proceed."

// emailSuspend mails a link and stops the journey until it is opened. What it
// shows does not tell whether there was anybody to write to.
type emailSuspend struct {
	template, addressAttribute, identityAttribute string
	fromStore                                     bool
	message                                       map[string]string
	duration                                      time.Duration
}

func emailSuspendType() Type {
	return Type{
		Name:     "EmailSuspendNode",
		Title:    "Email Suspend Node",
		Suspends: true,
		Properties: []Property{
			{Name: "emailTemplateName", Title: "Email Template Name", Kind: Text, Default: "registration", Required: true},
			{Name: "emailAttribute", Title: "Email Attribute", Kind: Text, Default: "mail", Required: true},
			{
				Name: "emailSuspendMessage", Title: "Email Suspend Message", Kind: Localised,
				Default: map[string]string{"en": defaultSuspendMessage},
			},
			{Name: "objectLookup", Title: "Object Lookup", Kind: Flag},
			identityAttribute("userName"),
			{Name: "suspendDuration", Title: "Suspend Duration (minutes)", Kind: Whole},
		},
		Inputs: func(c Config) []string { return lookupInputs(c.Text("identityAttribute")) },
		New: func(c Config) (Node, error) {
			n := emailSuspend{
				template: c.Text("emailTemplateName"), addressAttribute: c.Text("emailAttribute"),
				identityAttribute: c.Text("identityAttribute"), fromStore: c.Flag("objectLookup"),
				message: c.Dict("emailSuspendMessage"), duration: c.Minutes("suspendDuration"),
			}
			if n.duration < 0 {
				return nil, errors.New("suspendDuration: it cannot be negative")
			}
			return n, nil
		},
	}
}

func (n emailSuspend) Process(c *Context) (Action, error) {
	wait := Suspend{Message: c.text(n.message, defaultSuspendMessage), Duration: n.duration}
	if c.Resumed {
		return Goto{Next}, nil
	}
	if sent, answered := c.Result.(MailSent); answered {
		return wait, sent.fault()
	}
	address, values := n.collected(c)
	if n.fromStore {
		who, search, err := c.findUser(n.identityAttribute)
		switch {
		case errors.Is(err, errNoUser):
			return wait, nil
		case err != nil || search != nil:
			return search, err
		}
		address, values = addressee(who, n.addressAttribute)
	}
	if address == "" {
		return wait, nil
	}
	link, err := c.ResumeURI()
	if err != nil {
		return nil, err
	}
	values[resumeURI] = mail.Secret(link)
	return Do{SendMail{To: address, Template: n.template, Locales: c.Request.Locales, Values: values}}, nil
}

// collected is what the journey knows of somebody who may not have an account
// yet.
func (n emailSuspend) collected(c *Context) (address string, values map[string]any) {
	address, _ = c.State.Attribute(n.addressAttribute).(string)
	known, _ := c.State.Get(KeyAttributes).(map[string]any)
	values = map[string]any{}
	for name, value := range known {
		if !isSecret(name) {
			values[name] = value
		}
	}
	return address, values
}

// isSecret keeps what users type as a password out of mails, whatever a
// template asks for.
func isSecret(attribute string) bool {
	return strings.Contains(strings.ToLower(attribute), "password")
}

// addressee is where to write to a user, and what a template may say of it.
func addressee(who identity.Identity, attribute string) (address string, values map[string]any) {
	values = map[string]any{"userName": who.Name, KeyObjectID: who.Name}
	for name, all := range who.Attributes {
		switch {
		case isSecret(name):
		case len(all) == 1:
			values[name] = all[0]
		default:
			list := make([]any, len(all))
			for i, one := range all {
				list[i] = one
			}
			values[name] = list
		}
	}
	if found := valuesOf(who, attribute); len(found) > 0 {
		address = found[0]
	}
	return address, values
}

// fault is the error of a mail that could not be sent at all.
func (m MailSent) fault() error {
	if m.Fault == "" {
		return nil
	}
	return errors.New("no mail was sent: " + m.Fault)
}

// emailTemplate mails a text and goes on.
type emailTemplate struct{ template, addressAttribute, identityAttribute string }

// Outcomes of EmailTemplateNode.
const (
	emailSent    tree.Outcome = "EMAIL_SENT"
	emailNotSent tree.Outcome = "EMAIL_NOT_SENT"
)

func emailTemplateType() Type {
	return Type{
		Name:  "EmailTemplateNode",
		Title: "Email Template Node",
		Properties: []Property{
			{Name: "emailTemplateName", Title: "Email Template Name", Kind: Text, Default: "welcome", Required: true},
			{Name: "emailAttribute", Title: "Email Attribute", Kind: Text, Default: "mail", Required: true},
			identityAttribute("userName"),
		},
		Inputs:   func(c Config) []string { return lookupInputs(c.Text("identityAttribute")) },
		Outcomes: Fixed(emailSent, emailNotSent),
		New: func(c Config) (Node, error) {
			return emailTemplate{c.Text("emailTemplateName"), c.Text("emailAttribute"), c.Text("identityAttribute")}, nil
		},
	}
}

func (n emailTemplate) Process(c *Context) (Action, error) {
	if sent, answered := c.Result.(MailSent); answered {
		if err := sent.fault(); err != nil || !sent.OK {
			return Goto{emailNotSent}, err
		}
		return Goto{emailSent}, nil
	}
	who, search, err := c.findUser(n.identityAttribute)
	switch {
	case errors.Is(err, errNoUser):
		return Goto{emailNotSent}, nil
	case err != nil || search != nil:
		return search, err
	}
	address, values := addressee(who, n.addressAttribute)
	if address == "" {
		return Goto{emailNotSent}, nil
	}
	return Do{SendMail{To: address, Template: n.template, Locales: c.Request.Locales, Values: values}}, nil
}
