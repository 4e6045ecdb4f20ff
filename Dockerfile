# The image holds one executable, built beforehand by ./compile.sh (dist/aerie) or ./compile.sh --node (dist/aerie-node):
#
#   ./compile.sh && docker build -t aerie .
#   ./compile.sh --node && docker build --build-arg EXECUTABLE=dist/aerie-node -t aerie .
#
# Paths, ports, environment names and arguments are those of the stock server's image; docs/operating/container.md.
FROM debian:bookworm-slim

ARG EXECUTABLE=dist/aerie

COPY ${EXECUTABLE} /usr/bin/aerie
COPY container/entrypoint.sh /entrypoint.sh
COPY container/aerospike.template.conf /etc/aerospike/aerospike.template.conf

RUN chmod 0755 /usr/bin/aerie /entrypoint.sh \
  && ln -s aerie /usr/bin/asd \
  && ln -s aerie /usr/bin/asinfo \
  && mkdir -p /opt/aerospike/etc /opt/aerospike/data

VOLUME ["/opt/aerospike/etc", "/opt/aerospike/data"]

EXPOSE 3000 3001 3002 3003 8081

HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["asinfo", "-v", "status"]

ENTRYPOINT ["/entrypoint.sh"]
CMD ["asd"]
