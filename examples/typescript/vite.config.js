// The desk's API at the page's own address, so that no other origin has to be allowed.
export default { server: { proxy: { "/graphql": process.env.DESK ?? "http://127.0.0.1:8000" } } };
