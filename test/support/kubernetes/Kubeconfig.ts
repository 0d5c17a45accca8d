/** A kubeconfig for a server, as YAML. JSON is YAML. */
export const kubeconfigText = (
  url: string,
  { cluster = {}, user = {} }: {
    readonly cluster?: Readonly<Record<string, unknown>>
    readonly user?: Readonly<Record<string, unknown>>
  } = {}
): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    // The client refuses plain HTTP unless verification is switched off.
    clusters: [{
      name: "test",
      cluster: { server: url, "insecure-skip-tls-verify": url.startsWith("http:"), ...cluster }
    }],
    users: [{ name: "test", user }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "rds-csi" } }]
  })
