package rest

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// Limits of an advice, beside the length of the parameter that carries it.
const maxAdvices = 16 // pairs, and values of one pair

var errAdvice = fault{status: 400, message: "The advices are not valid XML of the form " +
	"<Advices><AttributeValuePair><Attribute name=\"…\"/><Value>…</Value></AttributeValuePair></Advices>"}

// parseAdvice reads the XML of authIndexType=composite_advice (am-contract
// section 1.2). Of several trees any one will do, and with a level one that
// reaches it. A transaction's tree is decided already, whatever else is advised;
// a realm alone wants the realm's default tree.
func parseAdvice(text string) (index, error) {
	pairs, err := adviceXML(text)
	if err != nil {
		return index{}, err
	}
	var wanted index
	for _, pair := range pairs {
		for _, value := range pair.values {
			if err := wanted.add(pair.name, strings.TrimSpace(value)); err != nil {
				return index{}, err
			}
		}
	}
	if wanted.wanted == nil && wanted.realm == "" && wanted.transaction == "" {
		return index{}, errAdvice
	}
	if w := wanted.wanted; w != nil && len(w.Trees) == 1 && !w.ByLevel {
		wanted.tree, wanted.wanted = w.Trees[0], nil
	}
	return wanted, nil
}

// add takes one advice over. A value may be qualified by its realm, as in
// "/alpha:Login".
func (i *index) add(name, value string) error {
	var in string
	if strings.HasPrefix(value, "/") {
		if path, rest, ok := strings.Cut(value, ":"); ok {
			in, value = path, rest
		}
	}
	switch name {
	case "AuthenticateToServiceConditionAdvice", "AuthenticateToTreeConditionAdvice":
		if value == "" {
			return errAdvice
		}
		i.want().Trees = append(i.want().Trees, value)
	case "AuthenticateToRealmConditionAdvice":
		in = value
	case "AuthLevelConditionAdvice":
		level, err := parseLevel(value)
		if err != nil {
			return err
		}
		if w := i.want(); !w.ByLevel || w.Level < level {
			w.Level, w.ByLevel = level, true
		}
	case "TransactionConditionAdvice":
		if i.transaction != "" && i.transaction != value || value == "" {
			return errAdvice
		}
		i.transaction = value
	default:
		return fault{status: 400, message: "Unknown advice " + shorten(name)}
	}
	if in == "" {
		return nil
	}
	parsed, err := realm.Parse(in)
	if err != nil || (i.realm != "" && i.realm != parsed) {
		return invalidRealm(in)
	}
	i.realm = parsed
	return nil
}

// want is what the advice wants of a tree.
func (i *index) want() *journey.Wanted {
	if i.wanted == nil {
		i.wanted = &journey.Wanted{}
	}
	return i.wanted
}

// advice is one AttributeValuePair.
type advice struct {
	name   string
	values []string
}

// adviceXML reads the pairs. Nothing but the four elements of the format, the
// attribute "name" and white space is taken; in particular no document type,
// so that no entity can be declared.
func adviceXML(text string) ([]advice, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	var (
		pairs []advice
		path  []string
		value strings.Builder
	)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(path) == 0 && pairs != nil {
			return pairs, nil
		}
		if err != nil {
			return nil, errAdvice
		}
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if pairs, err = openAdvice(pairs, path, t); err != nil {
				return nil, err
			}
			value.Reset()
		case xml.EndElement:
			if last := len(pairs) - 1; path[len(path)-1] == "Value" {
				pairs[last].values = append(pairs[last].values, value.String())
				if len(pairs[last].values) > maxAdvices {
					return nil, errAdvice
				}
			}
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) == 3 && path[2] == "Value" {
				value.Write(t)
			} else if strings.TrimSpace(string(t)) != "" {
				return nil, errAdvice
			}
		case xml.Comment, xml.ProcInst, xml.Directive:
			return nil, errAdvice
		}
	}
}

// openAdvice judges an element by its place and takes a pair's name.
func openAdvice(pairs []advice, path []string, e xml.StartElement) ([]advice, error) {
	if e.Name.Space != "" {
		return nil, errAdvice
	}
	at := strings.Join(path, "/")
	if at == "Advices/AttributeValuePair/Attribute" {
		if len(e.Attr) != 1 || e.Attr[0].Name.Space != "" || e.Attr[0].Name.Local != "name" || pairs[len(pairs)-1].name != "" {
			return nil, errAdvice
		}
		pairs[len(pairs)-1].name = e.Attr[0].Value
		return pairs, nil
	}
	if len(e.Attr) > 0 {
		return nil, errAdvice
	}
	switch at {
	case "Advices":
		if pairs != nil {
			return nil, errAdvice
		}
		return []advice{}, nil
	case "Advices/AttributeValuePair":
		if len(pairs) == maxAdvices {
			return nil, errAdvice
		}
		return append(pairs, advice{}), nil
	case "Advices/AttributeValuePair/Value":
		return pairs, nil
	}
	return nil, errAdvice
}
