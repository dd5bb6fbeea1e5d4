package node

func setFailureURLType() Type {
	return Type{
		Name:       "SetFailureUrlNode",
		Title:      "Failure URL",
		Pure:       true,
		Properties: []Property{{Name: "failureUrl", Title: "Failure URL", Kind: Text, Required: true}},
		New:        func(c Config) (Node, error) { return setURL{KeyFailureURL, c.Text("failureUrl")}, nil },
	}
}
