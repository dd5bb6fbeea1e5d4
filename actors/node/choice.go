package node

import (
	"slices"

	"sojourn/actors/callback"
	"sojourn/actors/tree"
)

// choiceCollector lets the user pick one of its outcomes. A single choice is
// taken without asking.
type choiceCollector struct {
	prompt  string
	choices []string
	preset  int
}

func choiceCollectorType() Type {
	return Type{
		Name:  "ChoiceCollectorNode",
		Title: "Choice Collector",
		Pure:  true,
		Properties: []Property{
			{Name: "choices", Title: "Choices", Kind: List, Required: true},
			{Name: "defaultChoice", Title: "Default Choice", Kind: Text},
			{Name: "prompt", Title: "Prompt", Kind: Text},
		},
		Outcomes: func(c Config) []tree.Outcome {
			outcomes := make([]tree.Outcome, len(c.List("choices")))
			for i, choice := range c.List("choices") {
				outcomes[i] = tree.Outcome(choice)
			}
			return outcomes
		},
		New: func(c Config) (Node, error) {
			choices := c.List("choices")
			preset := max(slices.Index(choices, c.Text("defaultChoice")), 0)
			return choiceCollector{c.Text("prompt"), choices, preset}, nil
		},
	}
}

func (n choiceCollector) Process(c *Context) (Action, error) {
	if len(n.choices) == 1 {
		return Goto{tree.Outcome(n.choices[0])}, nil
	}
	if len(c.Answers) == 0 {
		return Ask{Callbacks: []callback.Callback{callback.NewChoice(n.prompt, n.choices, n.preset)}}, nil
	}
	i, err := c.answer(0).Index(0, len(n.choices))
	if err != nil {
		return nil, err
	}
	return Goto{tree.Outcome(n.choices[i])}, nil
}
