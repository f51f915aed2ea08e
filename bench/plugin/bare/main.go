// Command bare is the least that go-plugin can serve over gRPC: what the
// benchmark of plugins is measured against.
package main

import (
	"context"
	"errors"
	"io"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type hello struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (hello) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a host")
}

func (hello) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bare.Hello", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.BytesValue)
			return new(emptypb.Empty), decode(in)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Swallow", ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			in := new(wrapperspb.BytesValue)
			for {
				if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
					return s.SendMsg(new(emptypb.Empty))
				} else if err != nil {
					return err
				}
			}
		}}},
	}, struct{}{})
	return nil
}

func main() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BARE", MagicCookieValue: "hello"},
		Plugins:         goplugin.PluginSet{"hello": hello{}},
		GRPCServer:      goplugin.DefaultGRPCServer,
		Logger:          hclog.NewNullLogger(),
	})
}
