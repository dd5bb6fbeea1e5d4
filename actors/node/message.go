package node

import "sojourn/actors/callback"

// message shows a text and two buttons.
type message struct {
	text, yes, no map[string]string
	field         string
}

func messageType() Type {
	return Type{
		Name:  "MessageNode",
		Title: "Message Node",
		Pure:  true,
		Properties: []Property{
			{Name: "message", Title: "Message", Kind: Localised},
			{Name: "messageYes", Title: "Positive Answer", Kind: Localised},
			{Name: "messageNo", Title: "Negative Answer", Kind: Localised},
			{Name: "stateField", Title: "Shared State Property Name", Kind: Text},
		},
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			return message{c.Dict("message"), c.Dict("messageYes"), c.Dict("messageNo"), c.Text("stateField")}, nil
		},
	}
}

func (n message) Process(c *Context) (Action, error) {
	if len(c.Answers) == 0 {
		options := []string{c.text(n.yes, "Yes"), c.text(n.no, "No")}
		return Ask{Callbacks: []callback.Callback{
			callback.NewTextOutput(callback.Information, c.text(n.text, "Default message")),
			callback.NewConfirmation(callback.Information, options, 1, 0),
		}}, nil
	}
	pressed, err := c.answer(1).Index(0, 2)
	if err != nil {
		return nil, err
	}
	if n.field != "" {
		c.State.PutShared(n.field, pressed)
	}
	return Truth(pressed == 0), nil
}
