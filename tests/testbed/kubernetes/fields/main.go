// Command fields prints what the OpenAPI documents leave out about the built-in kinds: how Go
// writes and reads each field (pointer, omitempty, omitzero).
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	aggregator "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// visitor holds, for each definition, its fields in the order of the struct: name and flags.
type visitor map[string][][2]string

func main() {
	known := scheme.Scheme
	for _, add := range []func(*runtime.Scheme) error{apiextensions.AddToScheme, aggregator.AddToScheme} {
		if err := add(known); err != nil {
			panic(err)
		}
	}
	seen := visitor{}
	for _, kind := range known.AllKnownTypes() {
		seen.visit(kind)
	}
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		panic(err)
	}
}

// The name of a definition in the OpenAPI documents: k8s.io/api/core/v1.Pod is io.k8s.api.core.v1.Pod.
func definition(kind reflect.Type) string {
	host, path, _ := strings.Cut(kind.PkgPath(), "/")
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "." + strings.ReplaceAll(path, "/", ".") + "." + kind.Name()
}

func (seen visitor) visit(kind reflect.Type) {
	switch kind.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		seen.visit(kind.Elem())
	case reflect.Struct:
		if !strings.Contains(kind.PkgPath(), "k8s.io") || seen[definition(kind)] != nil {
			return
		}
		seen[definition(kind)] = [][2]string{}
		seen[definition(kind)] = seen.fields(kind, nil)
	}
}

func (seen visitor) fields(kind reflect.Type, flags [][2]string) [][2]string {
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			inner := field.Type
			if inner.Kind() == reflect.Struct {
				for _, inlined := range seen.fields(inner, nil) {
					// The decoder names the embedded struct in the paths of its errors.
					flags = append(flags, [2]string{inlined[0], inlined[1] + " " + field.Name})
				}
			}
			continue
		}
		if name == "" || name == "-" || !field.IsExported() {
			continue
		}
		flags = append(flags, [2]string{name, flag(field.Type, options)})
		seen.visit(field.Type)
	}
	return flags
}

// o omitempty, z omitzero, * pointer, then the name of the Go type.
func flag(kind reflect.Type, options string) string {
	text := ""
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "omitempty":
			text += "o"
		case "omitzero":
			text += "z"
		}
	}
	if kind.Kind() == reflect.Pointer {
		return text + "* " + kind.Elem().String()
	}
	return text + " " + kind.String()
}
