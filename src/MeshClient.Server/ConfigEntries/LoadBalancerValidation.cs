using System.Text.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Judges the load balancer of a resolver.</summary>
internal static class LoadBalancerValidation
{
    public static string? FindProblem(JsonElement balancer)
    {
        var policy = balancer.Text("Policy");
        if (policy is not ("" or "random" or "round_robin" or "least_request" or "ring_hash" or "maglev"))
        {
            return $"Bad LoadBalancer policy: \"{policy}\" is not supported";
        }

        if (balancer.Part("RingHashConfig").Exists() && policy != "ring_hash")
        {
            return $"Bad LoadBalancer configuration. RingHashConfig specified for incompatible load balancing policy \"{policy}\"";
        }

        if (balancer.Part("LeastRequestConfig").Exists() && policy != "least_request")
        {
            return $"Bad LoadBalancer configuration. LeastRequestConfig specified for incompatible load balancing policy \"{policy}\"";
        }

        if (balancer.Items("HashPolicies").Any() && policy is not ("ring_hash" or "maglev"))
        {
            return $"Bad LoadBalancer configuration. HashPolicies specified for non-hash-based Policy: \"{policy}\"";
        }

        return balancer.Items("HashPolicies").Select(FindPolicyProblem).FirstOrDefault(problem => problem is not null);
    }

    private static string? FindPolicyProblem(JsonElement policy, int i)
    {
        var name = $"Bad LoadBalancer HashPolicy[{i}]";
        var field = policy.Text("Field");
        var cookie = policy.Part("CookieConfig");
        if (policy.Flag("SourceIP"))
        {
            return field.Length > 0 || policy.Text("FieldValue").Length > 0
                ? $"{name}: a single hash policy cannot hash both a source address and a \"{field}\""
                : null;
        }

        if (field is not ("header" or "cookie" or "query_parameter"))
        {
            return $"{name}: \"{field}\" is not a supported field";
        }

        if (policy.Text("FieldValue").Length == 0)
        {
            return $"{name}: Field \"{field}\" was specified without a FieldValue";
        }

        if (cookie.Exists() && field != "cookie")
        {
            return $"{name}: cookie_config provided for \"{field}\"";
        }

        return cookie.Flag("Session") && cookie.Duration("TTL").Nanoseconds != 0
            ? $"{name}: a session cookie cannot have an associated TTL"
            : null;
    }
}
