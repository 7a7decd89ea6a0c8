// Swagger UI over the API document. The document's examples cannot know the ids of what is yet to be made, so they say zeros:
// this page remembers what was made last with it, and puts that id in as a request leaves.
"use strict";

(() => {
  const ZEROS = "00000000-0000-0000-0000-000000000000";
  // Deleting one takes those behind it along
  const CHAIN = ["flow", "deployment", "flow_run", "task_run"];
  const KINDS = [...CHAIN, "flow_run_state", "task_run_state", "concurrency_limit", "saved_search", "work_queue", "lease", "backfill", "block_type", "block_schema", "block_document"];
  const ZEROS_IN_BODY = new RegExp(`("(${KINDS.join("|")})_id"\\s*:\\s*(?:\\{\\s*"any_"\\s*:\\s*\\[\\s*)?")${ZEROS}"`, "g");
  const ZEROS_IN_QUERY = new RegExp(`([?&](${KINDS.join("|")})_id=)${ZEROS}`, "g");
  const STORE = "mintaka.made";

  // {kind: id}; it lasts as long as the tab, and a page that is loaded again knows it
  const made = JSON.parse(sessionStorage.getItem(STORE) || "{}");
  const save = () => sessionStorage.setItem(STORE, JSON.stringify(made));

  // The kind that a path, or its template, is about: "/api/flow_runs/filter" is about a "flow_run"
  const kindOf = (path) => KINDS.find((kind) => path.includes(`/api/${kind}${kind.endsWith("ch") ? "es" : "s"}/`));

  function fillIn(request) {
    const kind = kindOf(request.url);
    request.url = request.url.replace(ZEROS_IN_QUERY, (found, before, kind) => (kind in made ? before + made[kind] : found));
    if (kind in made) {
      request.url = request.url.replace(ZEROS, made[kind]);
    }
    if (typeof request.body === "string") {
      request.body = request.body.replace(ZEROS_IN_BODY, (found, before, kind) => (kind in made ? `${before}${made[kind]}"` : found));
    }
    return request;
  }

  // What is made under the path of something else; a schedule, for one, goes by its name, and its id is not a deployment's
  const MADE_UNDER = { create_flow_run: "flow_run", backfills: "backfill" };

  function learn(path, method, response) {
    const under = path.match(/}\/(?:.*\/)?([^/]+)\/?$/);
    const kind = under ? MADE_UNDER[under[1]] : kindOf(path);
    const [claim] = path.endsWith("/claim_runs") && response.status === 200 ? response.body : [];
    if (claim) {
      made.lease = claim.lease_id;
      made.flow_run = claim.flow_run.id;
    }
    if (path.endsWith("/set_state") && response.body?.state) {
      made[`${kindOf(path)}_state`] = response.body.state.id;
    }
    if (kind && method === "delete" && [200, 204].includes(response.status) && response.url.endsWith(`/${made[kind]}`)) {
      (CHAIN.includes(kind) ? CHAIN.slice(CHAIN.indexOf(kind)) : [kind]).forEach((gone) => delete made[gone]);
    } else if (kind && ["post", "put"].includes(method) && [200, 201].includes(response.status) && response.body?.id) {
      made[kind] = response.body.id;
    }
    save();
  }

  const learnFromAnswers = () => ({
    statePlugins: {
      spec: {
        wrapActions: {
          setResponse: (original) => (path, method, response) => {
            learn(path, method, response);
            return original(path, method, response);
          },
        },
      },
    },
  });

  // Swagger UI resolves the references of an operation when it is opened, and reads the whole document for that, with all that it has
  // resolved before: a second and more on a laptop. The operation with the components that it refers to is enough.
  function excerpt(document, path) {
    const found = { ...document, paths: {}, components: {} };
    const include = (names) => {
      const part = names.reduce((value, name) => value?.[name], document);
      if (part === undefined || names.reduce((value, name) => value?.[name], found) !== undefined) {
        return;
      }
      const last = names.at(-1);
      names.slice(0, -1).reduce((value, name) => (value[name] ??= {}), found)[last] = part;
      JSON.stringify(part, (key, value) => {
        if (key === "$ref" && typeof value === "string" && value.startsWith("#/components/")) {
          include(value.slice(2).split("/"));
        }
        return value;
      });
    };
    // what all methods of a path share stands beside them
    include(path[0] === "paths" ? path.slice(0, 2) : path);
    return found;
  }

  const resolveTheLeast = (system) => {
    const resolve = system.fn.resolveSubtree;
    return {
      fn: {
        resolveSubtree: (document, path, options) =>
          resolve(["paths", "components"].includes(path[0]) && path.length > 2 ? excerpt(document, path) : document, path, options),
      },
    };
  };

  // what is plain data comes from the server's settings, with the page
  const page = document.getElementById("swagger-ui");
  window.ui = SwaggerUIBundle({
    ...JSON.parse(page.dataset.config),
    dom_id: "#swagger-ui",
    url: page.dataset.url,
    plugins: [learnFromAnswers, resolveTheLeast],
    requestInterceptor: fillIn,
  });
})();
