package callback

import "strconv"

// MessageKind tells a client how to show a text.
type MessageKind int

// Kinds of TextOutput and Confirmation messages.
const (
	Information MessageKind = 0
	Warning     MessageKind = 1
	ErrorText   MessageKind = 2
	Script      MessageKind = 4 // JavaScript for the client to run; TextOutput only
)

// NewName asks for a user name.
func NewName(prompt, value string) Callback {
	return Callback{Type: Name, Output: []Entry{{"prompt", prompt}}, Input: []Entry{{"", value}}}
}

// NewPassword asks for a secret. Its input is always sent empty.
func NewPassword(prompt string) Callback {
	return Callback{Type: Password, Output: []Entry{{"prompt", prompt}}, Input: []Entry{{"", ""}}}
}

// NewTextInput asks for a line of text.
func NewTextInput(prompt, value string) Callback {
	return Callback{
		Type:   TextInput,
		Output: []Entry{{"prompt", prompt}, {"defaultText", value}},
		Input:  []Entry{{"", value}},
	}
}

// NewTextOutput shows a text. The kind travels as a string.
func NewTextOutput(kind MessageKind, message string) Callback {
	return Callback{
		Type:   TextOutput,
		Output: []Entry{{"message", message}, {"messageType", strconv.Itoa(int(kind))}},
	}
}

// NewSuspendedText shows a text to a client whose journey is suspended.
func NewSuspendedText(message string) Callback {
	c := NewTextOutput(Information, message)
	c.Type = SuspendedText
	return c
}

// NewHiddenValue asks a script in the page for a value. The input's default is
// the id itself, as AM sends it.
func NewHiddenValue(id, value string) Callback {
	return Callback{
		Type:   HiddenValue,
		Output: []Entry{{"value", value}, {"id", id}},
		Input:  []Entry{{"", id}},
	}
}

// NewChoice asks for one of choices; the answer is an index.
func NewChoice(prompt string, choices []string, preset int) Callback {
	return Callback{
		Type:   Choice,
		Output: []Entry{{"prompt", prompt}, {"choices", choices}, {"defaultChoice", preset}},
		Input:  []Entry{{"", preset}},
	}
}

// NewConfirmation asks for one of options, shown as buttons; the answer is an
// index. selected is the value that the input starts with.
func NewConfirmation(kind MessageKind, options []string, preset, selected int) Callback {
	return Callback{
		Type: Confirmation,
		Output: []Entry{
			{"prompt", ""},
			{"messageType", int(kind)},
			{"options", options},
			{"optionType", -1},
			{"defaultOption", preset},
		},
		Input: []Entry{{"", selected}},
	}
}

// NewPollingWait tells the client to come back after wait milliseconds. The
// number travels as a string.
func NewPollingWait(waitMillis int64, message string) Callback {
	return Callback{
		Type:   PollingWait,
		Output: []Entry{{"waitTime", strconv.FormatInt(waitMillis, 10)}, {"message", message}},
	}
}

// NewMetadata hands data to the client without asking anything.
func NewMetadata(data map[string]any) Callback {
	return Callback{Type: Metadata, Output: []Entry{{"data", data}}}
}

// NewCreateUsername asks for a user name under policies.
func NewCreateUsername(prompt, value string, policies map[string]any, failed []string) Callback {
	return Callback{
		Type: CreateUsername,
		Output: []Entry{
			{"policies", policies},
			{"failedPolicies", list(failed)},
			{"validateOnly", false},
			{"prompt", prompt},
		},
		Input: []Entry{{"", value}, {"validateOnly", false}},
	}
}

// NewCreatePassword asks for a new password under policies.
func NewCreatePassword(prompt string, policies map[string]any, failed []string) Callback {
	return Callback{
		Type: CreatePassword,
		Output: []Entry{
			{"echoOn", false},
			{"policies", policies},
			{"failedPolicies", list(failed)},
			{"validateOnly", false},
			{"prompt", prompt},
		},
		Input: []Entry{{"", ""}, {"validateOnly", false}},
	}
}

// list is never null on the wire.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}
