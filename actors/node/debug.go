package node

import (
	"encoding/json"
	"fmt"
	"maps"

	"sojourn/actors/callback"
)

// debug shows the journey's state to whoever develops the tree, in a window of
// the browser, and goes on by itself. Transient and secure values, which hold
// passwords and one-time codes, are shown by name only.
type debug struct{ popup bool }

func debugType() Type {
	return Type{
		Name:       "DebugNode",
		Title:      "Debug Node",
		Pure:       true,
		Properties: []Property{{Name: "popupEnabled", Title: "Popup Enabled", Kind: Flag, Default: true}},
		Inputs:     Fixed("*"),
		New:        func(c Config) (Node, error) { return debug{c.Flag("popupEnabled")}, nil },
	}
}

// debugScript defines what the node's second script calls.
const debugScript = `window.debugNode = {
  show: function (state) {
    var popup = window.open("", "debugNode", "width=640,height=640,scrollbars=yes");
    if (!popup) { return; }
    var entry = popup.document.createElement("pre");
    entry.textContent = state;
    popup.document.body.appendChild(entry);
  },
  next: function () {
    var button = document.getElementById("loginButton_0");
    if (button) { button.click(); }
  }
};`

func (n debug) Process(c *Context) (Action, error) {
	if len(c.Answers) > 0 {
		return Goto{Next}, nil
	}
	script := "window.debugNode.next();"
	if n.popup {
		shown, err := visible(c)
		if err != nil {
			return nil, err
		}
		script = "window.debugNode.show(" + shown + ");\n" + script
	}
	return Ask{Callbacks: []callback.Callback{
		callback.NewTextOutput(callback.Script, debugScript),
		callback.NewTextOutput(callback.Script, script),
		callback.NewTextOutput(callback.Information, "Debug Step"),
	}}, nil
}

// visible is the state as a JavaScript string: JSON within JSON, which leaves
// no character that could end the string or a script element.
func visible(c *Context) (string, error) {
	const hidden = "[redacted]"
	state := make(Values, len(c.State.Shared)+len(c.State.Transient)+len(c.State.Secure)+1)
	maps.Copy(state, c.State.Shared)
	for _, scope := range []Values{c.State.Secure, c.State.Transient} {
		for key := range scope {
			state[key] = hidden
		}
	}
	if c.Ending.UniversalID != "" {
		state[KeyUniversalID] = c.Ending.UniversalID
	}
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return "", fmt.Errorf("show the state: %w", err)
	}
	quoted, err := json.Marshal(string(text))
	if err != nil {
		return "", fmt.Errorf("show the state: %w", err)
	}
	return string(quoted), nil
}
