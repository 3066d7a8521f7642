package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/passwordless-auth/passwordless-auth/caddymodule/spelling"
)

// DefaultConfigFile is read when it exists and no other file is named: where
// containers mount it.
const DefaultConfigFile = "/app/config.toml"

// Options say where to look.
type Options struct {
	Environ    []string // as os.Environ
	Dir        string   // the working directory, where .env may be
	ConfigFile string   // a TOML file that must exist; "" looks for DefaultConfigFile
}

// source is one place that variables come from.
type source struct {
	values map[string]string
	label  func(name string) string
	lives  bool // its values are in the environment of the process
}

// variable is where one variable was set, and to what.
type variable struct {
	value  string
	label  string
	isFile bool // it was NAME_FILE; value is the path
	lives  bool
}

// sources reads all three, the strongest first.
func (o Options) sources() ([]source, error) {
	env := make(map[string]string)
	for _, pair := range o.Environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	list := []source{{values: env, label: func(name string) string { return name }, lives: true}}

	var problems []error
	text, err := readOptional(filepath.Join(o.Dir, ".env"))
	if err == nil {
		var values map[string]string
		values, err = parseDotenv(text)
		problems = append(problems, misspelt(values))
		list = append(list, source{values: values, label: func(name string) string { return name + " in .env" }})
	}
	problems = append(problems, err)

	file := o.ConfigFile
	if file == "" {
		file = DefaultConfigFile
		text, err = readOptional(file)
	} else {
		text, err = read(file)
	}
	if err == nil {
		var values map[string]string
		values, err = parseTOML(text, file)
		list = append(list, source{values: values, label: func(name string) string { return strings.ToLower(name) + " in " + file }})
	}
	return list, errors.Join(append(problems, err)...)
}

// misspelt finds names of .env that are nearly one of ours. The file may be
// shared with other programs, so what is like none of ours is theirs.
func misspelt(values map[string]string) error {
	var problems []error
	ours := slices.Concat(known, slices.Collect(maps.Keys(later)))
	for name := range values {
		plain := strings.TrimSuffix(name, "_FILE")
		if slices.Contains(ours, name) || slices.Contains(secrets, plain) {
			continue
		}
		for _, other := range ours {
			if spelling.Distance(name, other) == 1 {
				problems = append(problems, fmt.Errorf("%s in .env is no variable of ours; did you mean %s?", name, other))
			}
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

func readOptional(path string) (string, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return text, err
}

func read(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, syscall.EISDIR) {
		return "", fmt.Errorf("%s is a directory; a container engine makes one where the file to mount does not exist", path)
	}
	if err != nil {
		return "", fmt.Errorf("reading the configuration: %w", err)
	}
	return string(text), nil
}

// merge takes each variable from the first source that has it. An empty value
// is no value: that is how compose files spell "not set".
func merge(list []source) (map[string]variable, []error) {
	set := make(map[string]variable)
	var problems []error
	for _, src := range list {
		for _, name := range known {
			if _, done := set[name]; done {
				continue
			}
			v, err := src.find(name)
			if err != nil {
				problems = append(problems, err)
			}
			if v.label != "" {
				set[name] = v
			}
		}
		for name, what := range later {
			if src.values[name] != "" {
				problems = append(problems, fmt.Errorf("%s is not available in this version: it is for %s", src.label(name), what))
			}
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return set, problems
}

// find looks a variable up in one source, under both its names.
func (src source) find(name string) (variable, error) {
	value, path := src.values[name], src.values[name+"_FILE"]
	switch {
	case path == "":
		_, present := src.values[name]
		// CR-3: without a root key one is made, which is not what somebody
		// wants who wrote the name of a secret.
		if value == "" && present && name == "JWT_SECRET" {
			return variable{}, fmt.Errorf("%s is empty; write a secret of 32 bytes or more (openssl rand -base64 48), or remove it", src.label(name))
		}
		if value == "" {
			return variable{}, nil
		}
		return variable{value: value, label: src.label(name), lives: src.lives}, nil
	case !slices.Contains(secrets, name):
		return variable{}, fmt.Errorf("%s: only secrets are read from files (%s_FILE); write %s", src.label(name+"_FILE"), strings.Join(secrets, "_FILE, "), name)
	case value != "":
		return variable{}, fmt.Errorf("%s and %s are both set; remove one", src.label(name), src.label(name+"_FILE"))
	}
	return variable{value: path, label: src.label(name + "_FILE"), isFile: true, lives: src.lives}, nil
}
