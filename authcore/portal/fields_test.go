package portal

import (
	"fmt"
	"html/template"
	"reflect"
	"text/template/parse"
)

// fieldCheck walks a template beside the Go type it is given and notes every
// field that the type lacks, in branches that no example reaches too.
type fieldCheck struct {
	set      *template.Template
	root     reflect.Type // what $ is
	problems []string
	seen     map[string]bool
}

func checkFields(set *template.Template, v view) []string {
	c := &fieldCheck{set: set, root: reflect.TypeOf(v), seen: map[string]bool{}}
	c.call("layout", c.root)
	return c.problems
}

// call checks a named template for one type of dot, once.
func (c *fieldCheck) call(name string, dot reflect.Type) {
	key := fmt.Sprint(name, dot)
	if c.seen[key] || dot == nil {
		return
	}
	c.seen[key] = true
	t := c.set.Lookup(name)
	if t == nil || t.Tree == nil {
		c.problems = append(c.problems, "no template "+name)
		return
	}
	outer := c.root
	c.root = dot
	c.list(t.Tree.Root, dot)
	c.root = outer
}

func (c *fieldCheck) list(list *parse.ListNode, dot reflect.Type) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			c.pipe(n.Pipe, dot)
		case *parse.IfNode:
			c.pipe(n.Pipe, dot)
			c.list(n.List, dot)
			c.list(n.ElseList, dot)
		case *parse.WithNode:
			c.list(n.List, c.pipe(n.Pipe, dot))
			c.list(n.ElseList, dot)
		case *parse.RangeNode:
			if over := c.pipe(n.Pipe, dot); over != nil {
				c.list(n.List, over.Elem())
			}
			c.list(n.ElseList, dot)
		case *parse.TemplateNode:
			c.call(n.Name, c.pipe(n.Pipe, dot))
		}
	}
}

// pipe checks a pipeline and returns its type where it is plain to see.
func (c *fieldCheck) pipe(p *parse.PipeNode, dot reflect.Type) reflect.Type {
	if p == nil {
		return nil
	}
	var last reflect.Type
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			last = c.value(arg, dot)
		}
		if len(cmd.Args) > 1 {
			last = nil
		}
	}
	if len(p.Cmds) > 1 {
		return nil
	}
	return last
}

func (c *fieldCheck) value(n parse.Node, dot reflect.Type) reflect.Type {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return c.chain(dot, n.Ident)
	case *parse.VariableNode:
		return c.chain(c.root, n.Ident[1:])
	case *parse.PipeNode:
		return c.pipe(n, dot)
	}
	return nil
}

func (c *fieldCheck) chain(t reflect.Type, names []string) reflect.Type {
	for _, name := range names {
		if t == nil {
			return nil
		}
		if m, ok := t.MethodByName(name); ok {
			t = m.Type.Out(0)
			continue
		}
		if t.Kind() == reflect.Pointer {
			t = t.Elem() // templates follow it
		}
		if t.Kind() != reflect.Struct {
			c.problems = append(c.problems, fmt.Sprintf("%s has no field %s", t, name))
			return nil
		}
		f, ok := t.FieldByName(name)
		if !ok {
			c.problems = append(c.problems, fmt.Sprintf("%s has no field %s", t, name))
			return nil
		}
		t = f.Type
	}
	return t
}
