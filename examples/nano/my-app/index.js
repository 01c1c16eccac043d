export default {
  async fetch(request, env) {
    const url = new URL(request.url());

    if (url.pathname === "/api/hello") {
      return Response.json({
        message: "Hello from NANO!",
        app: env.APP_NAME
      });
    }

    return new Response("Not Found", { status: 404 });
  }
};
