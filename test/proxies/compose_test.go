package proxies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is what is read of examples/traefik/compose.yaml; another key in these
// places fails the test.
type compose struct {
	Services map[string]struct {
		Image    string
		Command  any
		EnvFile  string `yaml:"env_file"`
		Ports    []string
		Volumes  []string
		Networks any
		Labels   map[string]string
	}
	Networks map[string]any
	Volumes  map[string]any
}

// words flattens a tree to dotted names in small letters, the form of labels
// and flags; lists become comma lists.
func words(prefix string, tree any, into map[string]string) {
	switch v := tree.(type) {
	case map[string]any:
		if len(v) == 0 { // "tls: {}" is the flag "tls=true"
			into[prefix] = "true"
		}
		for name, below := range v {
			words(strings.TrimPrefix(prefix+"."+strings.ToLower(name), "."), below, into)
		}
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, fmt.Sprint(item))
		}
		into[prefix] = strings.Join(items, ",")
	default:
		into[prefix] = fmt.Sprint(v)
	}
}

func fileWords(t *testing.T, file string) map[string]string {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(readExample(t, "traefik", file)), &tree); err != nil {
		t.Fatal(err)
	}
	into := map[string]string{}
	words("", tree, into)
	return into
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	dec := yaml.NewDecoder(strings.NewReader(readExample(t, "traefik", "compose.yaml")))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// The containers do not run in the tests. Their labels and flags are held to the
// files that do.
func TestCompose_SaysWhatTheFilesSay(t *testing.T) {
	c, labels, flags := readCompose(t), map[string]string{}, map[string]string{}
	for name, service := range c.Services {
		for label, value := range service.Labels {
			if label == "traefik.enable" {
				continue
			}
			label = strings.TrimPrefix(label, "traefik.")
			if port, ok := strings.CutSuffix(label, ".server.port"); ok {
				label, value = port+".servers", fmt.Sprintf("map[url:http://%s:%s]", name, value)
			}
			labels[label] = value
		}
	}
	for _, flag := range c.Services["traefik"].Command.([]any) {
		name, value, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(flag), "--"), "=")
		flags[name] = value
	}
	routes, static := fileWords(t, "dynamic.yml"), fileWords(t, "traefik.yml")
	// What differs on purpose: where certificates and routes come from.
	drop := func(m map[string]string, prefixes ...string) map[string]string {
		maps.DeleteFunc(m, func(name, _ string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		})
		return m
	}
	drop(routes, "tls.")
	drop(static, "providers.", "entrypoints.websecure.http.tls", "log.")
	drop(flags, "providers.docker", "entrypoints.websecure.http.tls", "certificatesresolvers.")
	for what, pair := range map[string][2]map[string]string{"routes": {labels, routes}, "flags": {flags, static}} {
		if !maps.Equal(pair[0], pair[1]) {
			t.Errorf("%s: compose.yaml says\n%v\nand the file\n%v", what, lines(pair[0]), lines(pair[1]))
		}
	}
}

func lines(m map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, name+": "+m[name])
	}
	return strings.Join(all, "\n")
}

// The one address that the server trusts is the one that Traefik has there.
func TestCompose_TrustsTraefikAlone(t *testing.T) {
	c := readCompose(t)
	network := c.Services["traefik"].Networks.(map[string]any)["proxy"].(map[string]any)
	for _, file := range []string{"Caddyfile", "auth.env"} {
		if text := readExample(t, "traefik", file); !strings.Contains(text, fmt.Sprint(network["ipv4_address"])) {
			t.Errorf("%s does not name %s", file, network["ipv4_address"])
		}
	}
	for name, service := range c.Services {
		if name != "traefik" && len(service.Ports) > 0 {
			t.Errorf("%s is published on the host, past Traefik: %v", name, service.Ports)
		}
	}
}
