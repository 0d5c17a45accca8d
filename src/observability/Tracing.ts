import { Config, ConfigProvider, Effect, Layer, Option } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpSerialization, OtlpTracer } from "effect/observability"

/**
 * Sends spans over OTLP/HTTP if OpenTelemetry's environment variables name a collector (`OTEL_EXPORTER_OTLP_ENDPOINT` or
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`), and does nothing otherwise. `OTEL_SERVICE_NAME` overrides `serviceName`.
 */
export const tracingLayer = (serviceName: string, serviceVersion: string) =>
  Layer.unwrap(Effect.gen(function*() {
    const name = yield* Config.option(Config.String("OTEL_SERVICE_NAME"))
    return OtlpTracer.layerFromConfig({
      resource: { serviceName: Option.getOrElse(name, () => serviceName), serviceVersion }
    }).pipe(Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer, defaults]))
  }))

/** OpenTelemetry's default for the exporter; Effect's is "none". */
const defaults = ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ OTEL_TRACES_EXPORTER: "otlp" }))
