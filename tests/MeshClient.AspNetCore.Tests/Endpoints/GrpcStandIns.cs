using Google.Protobuf;
using Google.Protobuf.Reflection;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Tests.Endpoints;

// The types of gRPC's own packages by which a method's description is found, with the names and members they have there: those
// packages are none of ours. The descriptor itself is real.
namespace Grpc.Core
{
    [AttributeUsage(AttributeTargets.Class)]
    internal sealed class BindServiceMethodAttribute(Type bindType, string bindMethodName) : Attribute
    {
        public Type BindType { get; } = bindType;

        public string BindMethodName { get; } = bindMethodName;
    }
}

namespace Grpc.AspNetCore.Server
{
    internal sealed class GrpcMethodMetadata(Type serviceType, StandInMethod method)
    {
        public Type ServiceType { get; } = serviceType;

        public StandInMethod Method { get; } = method;
    }
}

namespace MeshClient.AspNetCore.Tests.Endpoints
{
    internal sealed class StandInMethod(string name)
    {
        public string Name { get; } = name;
    }

    /// <summary>What is generated for a service.</summary>
    internal static class OrdersDescription
    {
        public static ServiceDescriptor Descriptor { get; } = Describe();

        private static ServiceDescriptor Describe()
        {
            var file = new FileDescriptorProto { Name = "orders.proto", Package = "pkg", Syntax = "proto3" };
            file.MessageType.Add(new DescriptorProto { Name = "Order" });
            var service = new ServiceDescriptorProto { Name = "Orders" };
            service.Method.Add(Method("Place", null));
            service.Method.Add(Method("Cancel", MethodOptions.Types.IdempotencyLevel.Idempotent));
            service.Method.Add(Method("Find", MethodOptions.Types.IdempotencyLevel.NoSideEffects));
            service.Method.Add(Method("Taken", MethodOptions.Types.IdempotencyLevel.Idempotent));
            file.Service.Add(service);
            return FileDescriptor.BuildFromByteStrings([file.ToByteString()])[0].Services[0];
        }

        private static MethodDescriptorProto Method(string name, MethodOptions.Types.IdempotencyLevel? level)
        {
            var method = new MethodDescriptorProto { Name = name, InputType = ".pkg.Order", OutputType = ".pkg.Order" };
            if (level is not null)
            {
                method.Options = new MethodOptions { IdempotencyLevel = level.Value };
            }

            return method;
        }
    }

    /// <summary>The base class that is generated.</summary>
    [Grpc.Core.BindServiceMethod(typeof(OrdersDescription), "BindService")]
    internal abstract class OrdersBase;

    /// <summary>The service as an app writes it.</summary>
    internal sealed class OrdersService : OrdersBase
    {
        public static void Place()
        {
        }

        // Described as idempotent; who wrote it knows better.
        [MeshIdempotent(false)]
        public static void Taken()
        {
        }
    }

    /// <summary>A service made without a .proto file.</summary>
    internal sealed class WithoutDescription;
}
