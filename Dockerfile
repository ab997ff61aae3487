# The images of docker-compose.yml: `services` (publisher, acker and the small programs around them), and `init`, which has
# openssl instead and makes their secrets.

FROM node:24-bookworm-slim AS manifests
WORKDIR /source
COPY . .
# Installing depends on these files alone, so that a change of the code does not install again.
RUN mkdir /app && cp --parents .npmrc package-lock.json $(find . -name package.json) /app

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY --from=manifests /app ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build \
    && find shared services tools -path '*/dist/*' \( -name '*.map' -o -name '*.d.ts' -o -name '*.tsbuildinfo' \) -delete

FROM node:24-bookworm-slim AS app
WORKDIR /app
COPY --from=manifests /app ./
# Types, source maps, pages and the packages' own tests are never loaded.
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
      -w shared -w services/publisher -w services/acker -w tools/compose -w tools/chaos \
    && find node_modules -type d \( -name test -o -name tests -o -name benchmark -o -name benchmarks \) -prune -exec rm -r {} + \
    && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.md' \) -delete
COPY --from=build /app/shared/dist shared/dist
COPY --from=build /app/services/publisher/dist services/publisher/dist
COPY --from=build /app/services/acker/dist services/acker/dist
COPY --from=build /app/tools/compose/dist tools/compose/dist
COPY --from=build /app/tools/chaos/dist tools/chaos/dist
COPY services/publisher/migrations services/publisher/migrations
COPY services/publisher/grants.sql services/publisher/
COPY services/acker/migrations services/acker/migrations
COPY services/acker/grants.sql services/acker/
COPY tools/compose/servers tools/compose/servers

FROM node:24-bookworm-slim AS init
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && apt-get install -y -qq --no-install-recommends openssl
WORKDIR /app
# It makes keys and files, with Node's own modules: nothing that is installed is in it.
COPY package.json ./
COPY shared/package.json shared/
COPY tools/compose/package.json tools/compose/
COPY --from=build /app/shared/dist shared/dist
COPY --from=build /app/tools/compose/dist tools/compose/dist
COPY tools/compose/servers tools/compose/servers
RUN mkdir -p node_modules/@acktor && ln -s ../../shared node_modules/@acktor/shared
# Where it writes: an empty named volume takes its owner from the folder that it is mounted over.
RUN mkdir -p /keys /for/postgres /for/mosquitto /for/nats /for/migrate /for/publisher /for/acker /for/front \
      /for/chaos /for/prometheus /for/grafana && chown -R node:node /keys /for
USER node
ENV NODE_ENV=production
CMD ["node", "tools/compose/dist/init.js"]

FROM node:24-bookworm-slim AS services
LABEL org.opencontainers.image.title="acktor" \
      org.opencontainers.image.description="An outbox that proves delivery over MQTT" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=app /app ./
# docker compose exec chaos fault …
RUN printf '#!/bin/sh\nexec node /app/tools/compose/dist/fault.js "$@"\n' > /usr/local/bin/fault && chmod 755 /usr/local/bin/fault
USER node
ENV NODE_ENV=production
EXPOSE 8080
CMD ["node", "services/publisher/dist/main.js"]
