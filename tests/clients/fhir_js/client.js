// Asks a FHIR server with fhir-kit-client and judges its resources with the validator of npm's fhir.
// The question is one JSON object on the standard input: {"base", "token", "text"}; so is the answer.

import { readFileSync } from "node:fs";
import fhir from "fhir";
import { Client } from "fhir-kit-client";

const asked = JSON.parse(readFileSync(0, "utf8"));
const client = new Client({ baseUrl: asked.base, bearerToken: asked.token });
const validator = new fhir.Fhir();

const pages = [];
const resources = [];
let page = await client.search({
  resourceType: "HealthcareService",
  searchParams: { _text: asked.text, _count: "2", _include: "*" },
});
while (page) {
  pages.push(page);
  resources.push(page, ...page.entry.map((entry) => entry.resource));
  page = await client.nextPage({ bundle: page });
}

const matches = pages.flatMap((bundle) => bundle.entry).filter((entry) => entry.search.mode === "match");
const service = await client.read({ resourceType: "HealthcareService", id: matches[0].resource.id });
const organization = await client.resolve({ reference: service.providedBy.reference });
const capabilities = await client.capabilityStatement();
resources.push(service, organization, capabilities);

const refusals = [];
for (const question of [
  () => client.read({ resourceType: "HealthcareService", id: "x" }),
  () => client.search({ resourceType: "HealthcareService", searchParams: { colour: "red" } }),
]) {
  try {
    await question();
  } catch (fault) {
    refusals.push({ status: fault.response.status, outcome: fault.response.data.resourceType });
    resources.push(fault.response.data);
  }
}

const wrong = JSON.parse(JSON.stringify(matches[0].resource));
wrong.availableTime = [{ daysOfWeek: ["someday"] }];
const judged = [...resources.map((resource) => [resource.resourceType, resource]), ["planted", wrong]];
const faults = judged.flatMap(([name, resource]) =>
  validator
    .validate(resource)
    .messages.filter((message) => message.severity === "error" || message.severity === "fatal")
    .map((message) => `${name} ${message.location}: ${message.message}`),
);

process.stdout.write(
  JSON.stringify({
    names: pages.map((bundle) => bundle.entry.filter((e) => e.search.mode === "match").map((e) => e.resource.name)),
    total: pages[0].total,
    organization: organization.name,
    validated: [...new Set(resources.map((resource) => resource.resourceType))].sort(),
    refusals,
    faults,
  }),
);
