package proxies

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	rules "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	mutation "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsapi "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// No Envoy could be had. Its own API definitions decode examples/envoy/envoy.yaml
// here, strictly, and a stand-in (envoystandin_test.go) acts by what they say.

// envoyConfig is what the file says, as Envoy's API has it.
type envoyConfig struct {
	manager  *hcm.HttpConnectionManager
	tls      *tlsapi.DownstreamTlsContext
	mutation *mutation.HeaderMutation
	authz    *authz.ExtAuthz
	clusters map[string]string // by name: its address
}

// decodeEnvoy reads a bootstrap file. An unknown field, an unknown type or a
// value that Envoy would refuse fails the test.
func decodeEnvoy(t *testing.T, text string) envoyConfig {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var boot bootstrap.Bootstrap
	if err := protojson.Unmarshal(asJSON, &boot); err != nil {
		t.Fatalf("decoding: %v", err)
	}
	if err := boot.ValidateAll(); err != nil {
		t.Fatalf("validating: %v", err)
	}
	var c envoyConfig
	if n := len(boot.StaticResources.Listeners); n != 1 {
		t.Fatalf("%d listeners", n)
	}
	chain := boot.StaticResources.Listeners[0].FilterChains[0]
	c.tls, c.manager = new(tlsapi.DownstreamTlsContext), new(hcm.HttpConnectionManager)
	unpack(t, chain.TransportSocket.GetTypedConfig(), c.tls)
	unpack(t, chain.Filters[0].GetTypedConfig(), c.manager)
	c.mutation, c.authz = new(mutation.HeaderMutation), new(authz.ExtAuthz)
	unpack(t, c.manager.HttpFilters[0].GetTypedConfig(), c.mutation)
	unpack(t, c.manager.HttpFilters[1].GetTypedConfig(), c.authz)
	c.clusters = map[string]string{}
	for _, cluster := range boot.StaticResources.Clusters {
		at := cluster.LoadAssignment.Endpoints[0].LbEndpoints[0].GetEndpoint().Address.GetSocketAddress()
		c.clusters[cluster.Name] = at.Address + ":" + itoa(at.GetPortValue())
	}
	return c
}

// unpack decodes a typed config and validates it, which the file's own
// validation does not: to that it is bytes.
func unpack(t *testing.T, from *anypb.Any, into proto.Message) {
	t.Helper()
	if err := from.UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	if err := into.(interface{ ValidateAll() error }).ValidateAll(); err != nil {
		t.Fatalf("%s: %v", from.TypeUrl, err)
	}
}

// strips reports whether the first filter removes a header; Envoy matches names
// in small letters, and the whole of them.
func (c *envoyConfig) strips(name string) bool {
	return slices.ContainsFunc(c.mutation.Mutations.RequestMutations, func(m *rules.HeaderMutation) bool {
		return regexp.MustCompile("^(?:" + m.GetRemoveOnMatch().GetKeyMatcher().GetSafeRegex().GetRegex() + ")$").MatchString(lower(name))
	})
}

// open reports whether the check is off for a route.
func open(t *testing.T, host *route.VirtualHost, r *route.Route) bool {
	t.Helper()
	for _, configs := range []map[string]*anypb.Any{r.TypedPerFilterConfig, host.TypedPerFilterConfig} {
		if packed := configs["envoy.filters.http.ext_authz"]; packed != nil {
			var per authz.ExtAuthzPerRoute
			unpack(t, packed, &per)
			return per.GetDisabled()
		}
	}
	return false
}

func TestEnvoy_FileIsWhatEnvoyAccepts(t *testing.T) {
	c := decodeEnvoy(t, readExample(t, "envoy", "envoy.yaml"))
	if c.authz.FailureModeAllow {
		t.Error("a check that fails lets requests pass (FA-10)")
	}
	if u := c.manager.UpgradeConfigs; len(u) != 1 || u[0].UpgradeType != "websocket" {
		t.Errorf("upgrades: %v; websocket passes, and no other (FA-13)", u)
	}
	passed := map[string]bool{}
	for _, m := range c.authz.GetHttpService().AuthorizationResponse.AllowedUpstreamHeaders.Patterns {
		passed[m.GetExact()] = true
	}
	for _, name := range identityHeaders {
		if !c.strips(name) || !passed[lower(name)] {
			t.Errorf("%s: the client's is removed: %v, ours is set: %v", name, c.strips(name), passed[lower(name)])
		}
	}
}
