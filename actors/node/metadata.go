package node

import "sojourn/actors/callback"

// metadata shows named values of shared state to the client. It never ends by
// itself: it belongs on a page, which it does not hold.
type metadata struct{ attributes []string }

func metadataType() Type {
	return Type{
		Name:       "MetadataNode",
		Title:      "State Metadata",
		Pure:       true,
		Properties: []Property{{Name: "attributes", Title: "Attributes", Kind: List}},
		Inputs:     func(c Config) []string { return c.List("attributes") },
		New:        func(c Config) (Node, error) { return metadata{c.List("attributes")}, nil },
	}
}

func (n metadata) Process(c *Context) (Action, error) {
	data := map[string]any{}
	for _, key := range n.attributes {
		if value, ok := c.State.Shared[key]; ok {
			data[key] = value
		}
	}
	return Ask{Callbacks: []callback.Callback{callback.NewMetadata(data)}}, nil
}
