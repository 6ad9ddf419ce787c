// A purchase with the generated types: it is compiled by the tests, so that the contract stays good to write clients with.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/mall.js";

type Order = components["schemas"]["Order"];

export async function buy(url: string, email: string, password: string): Promise<Order> {
  const mall = createClient<paths>({ baseUrl: url });
  const signedIn = await mall.POST("/v1/sessions", { body: { email, password } });
  if (!signedIn.data) throw new Error(signedIn.error.code);
  const headers = { Authorization: `Bearer ${signedIn.data.access_token}` };

  const teapots = await mall.GET("/v1/products", { params: { query: { q: "teapot", page_size: 1 } } });
  const teapot = teapots.data?.items[0];
  const addresses = await mall.GET("/v1/addresses", { headers });
  const address = addresses.data?.items[0];
  if (!teapot || !address) throw new Error("nothing to buy, or nowhere to send it");

  const key = () => ({ header: { "Idempotency-Key": crypto.randomUUID() } });
  const placed = await mall.POST("/v1/checkout", {
    headers,
    params: key(),
    body: { address_id: address.id, items: [{ product_id: teapot.id, quantity: 1 }] },
  });
  if (!placed.data) throw new Error(placed.error.code === "sold_out" ? "sold out" : placed.error.detail);
  return placed.data;
}
